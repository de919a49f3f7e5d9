// Shared by all played libraries. Any call can be made to fail (df11_fake_fail), or that call and
// all after it (df11_fake_fail_from). What was not given back is counted.

#pragma once
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "machine.h"

namespace {

const int NO_CURRENT = -1;
#ifndef FIRST_CURRENT  // what a thread begins with
#define FIRST_CURRENT NO_CURRENT
#endif
thread_local int current = FIRST_CURRENT;

struct Calls {
  std::mutex lock;
  std::string failing;
  int countdown = 0, code = 0;
  bool lasting = false;
  u64 number = 0;
  int others = 0;  // taken and not given back, besides what drivers list: contexts, programs
};
Calls calls;

// CUresult and hipError_t have the same numbers.
enum Result : int { SUCCESS = 0, INVALID_VALUE = 1, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_IMAGE = 200, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500, LAUNCH_FAILED = 719, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901, CAPTURE_ISOLATION = 905 };

// Whether this call must fail, and with what error.
Result enter(const char* name, bool needs_device) {
  ++calls.number;
  const std::string& failing = calls.failing;
  const size_t ending = failing.size() - 1, length = std::strlen(name);
  const bool meant = failing == name || (failing[0] == '*' && length >= ending && failing.compare(1, ending, name + length - ending) == 0);
  if (meant && calls.countdown > -1) --calls.countdown;
  if (meant && (calls.countdown == 0 || (calls.lasting && calls.countdown < 0))) return Result(calls.code);
  if (needs_device && current == NO_CURRENT) return INVALID_CONTEXT;
  return SUCCESS;
}

}  // namespace

#define ENTER(name, needs_device)              \
  std::lock_guard<std::mutex> guard(calls.lock); \
  if (Result failed = enter(name, needs_device)) return failed

extern "C" {

// Makes the nth call of this name from now fail. "" means no name, "*..." any name that ends so.
void df11_fake_fail(const char* name, int nth, int code) {
  std::lock_guard<std::mutex> guard(calls.lock);
  calls.failing = name;
  calls.countdown = nth;
  calls.code = code;
  calls.lasting = false;
}

void df11_fake_fail_from(const char* name, int nth, int code) {
  df11_fake_fail(name, nth, code);
  std::lock_guard<std::mutex> guard(calls.lock);
  calls.lasting = true;
}

// Whether the call that had to fail was made.
bool df11_fake_failed() {
  std::lock_guard<std::mutex> guard(calls.lock);
  return !calls.failing.empty() && calls.countdown <= 0;
}

}  // extern "C"
