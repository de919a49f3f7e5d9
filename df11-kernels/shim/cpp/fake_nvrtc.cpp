// A libnvrtc.so.13 that compiles nothing: fake_compiler.h under NVIDIA's names.

#include "fake_compiler.h"

namespace {
const u16 CUDA = 190;
}

extern "C" {

int df11_fake_live() {
  std::lock_guard<std::mutex> guard(calls.lock);
  return calls.others;
}

const char* nvrtcGetErrorString(int result) { return result == COMPILATION ? "NVRTC_ERROR_COMPILATION" : "another error of NVRTC"; }
int nvrtcCreateProgram(Program** program, const char* source, const char* name, int header_count, const char** headers, const char** header_names) {
  ENTER("nvrtcCreateProgram", false);
  return name && header_count == 0 && !headers && !header_names ? create(program, source) : INVALID_VALUE;
}
int nvrtcCompileProgram(Program* program, int option_count, const char** options) {
  ENTER("nvrtcCompileProgram", false);
  const std::string number = option(option_count, options, "--gpu-architecture=sm_");
  const bool known = number == "75" || number == "80" || number == "90";
  Header header;
  header.machine = CUDA;
  header.flags = known ? u32(std::stoi(number)) : 0;
  return compile(program, known, header, "");
}
int nvrtcGetProgramLogSize(Program* program, size_t* bytes) {
  ENTER("nvrtcGetProgramLogSize", false);
  return log_size(program, bytes);
}
int nvrtcGetProgramLog(Program* program, char* log) {
  ENTER("nvrtcGetProgramLog", false);
  return get_log(program, log);
}
int nvrtcGetCUBINSize(Program* program, size_t* bytes) {
  ENTER("nvrtcGetCUBINSize", false);
  return code_size(program, bytes);
}
int nvrtcGetCUBIN(Program* program, char* code) {
  ENTER("nvrtcGetCUBIN", false);
  return get_code(program, code);
}
int nvrtcDestroyProgram(Program** program) {
  ENTER("nvrtcDestroyProgram", false);
  return destroy(program);
}

}  // extern "C"
