// A run-time compiler that compiles nothing, shared by the played NVRTC and hiprtc. The code that
// it gives is an ELF file that records what was asked for.

#pragma once
#include <set>

#include "fake_calls.h"

namespace {

const int COMPILATION = 6;
const u16 AMDGPU = 224;

struct Header {  // of an ELF file of 64 bits
  unsigned char ident[16] = {0x7F, 'E', 'L', 'F', 2, 1, 1, 64};
  u16 type = 3, machine = AMDGPU;
  u32 version = 1;
  u64 entry = 0, segments = 0, sections = 0;
  u32 flags = 0;
  u16 size = 64, segment_size = 0, segment_count = 0, section_size = 0, section_count = 0, names = 0;
};
static_assert(sizeof(Header) == 64, "as in the file");

struct Program {
  std::string source, log, code;
};
std::set<Program*> programs;

int create(Program** program, const char* source) {
  *program = *programs.insert(new Program{source, "", ""}).first;
  ++calls.others;
  return SUCCESS;
}

// What follows `name` in an option, or an empty string.
std::string option(int count, const char** options, const std::string& name) {
  for (int i = 0; i < count; ++i) {
    const std::string given = options[i];
    if (given.rfind(name, 0) == 0) return given.substr(name.size());
  }
  return "";
}

// The file: its header, `note`, and the names of the entry points in the source.
int compile(Program* program, bool known, Header header, std::string note) {
  for (const char* entry : {"df11_decode", "df11_gather", "df11_plain", "df11_flat_expand", "df11_flat_count", "df11_flat_write", "df11_product_flat_1",
                            "df11_product_flat_2", "df11_product_flat_4", "df11_product_flat_8", "df11_product_bf16_1", "df11_product_bf16_2",
                            "df11_product_bf16_4", "df11_product_bf16_8"}) {
    known = known && program->source.find(entry) != std::string::npos;
    note += std::string("\0", 1) + entry;
  }
  if (!known) {
    program->log = "no such instruction set";
    return COMPILATION;
  }
  header.sections = sizeof header + note.size();
  program->code = std::string(reinterpret_cast<const char*>(&header), sizeof header) + note;
  return SUCCESS;
}

int log_size(const Program* program, size_t* bytes) {
  *bytes = program->log.size() + 1;
  return SUCCESS;
}

int get_log(const Program* program, char* log) {
  std::memcpy(log, program->log.c_str(), program->log.size() + 1);
  return SUCCESS;
}

int code_size(const Program* program, size_t* bytes) {
  *bytes = program->code.size();
  return SUCCESS;
}

int get_code(const Program* program, char* code) {
  std::memcpy(code, program->code.data(), program->code.size());
  return SUCCESS;
}

int destroy(Program** program) {
  if (programs.erase(*program) == 0) return INVALID_HANDLE;
  delete *program;
  *program = nullptr;
  --calls.others;
  return SUCCESS;
}

}  // namespace
