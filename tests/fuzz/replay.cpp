// Runs a target on every text that is kept for it: what the fuzzer found once stays found.
//   replay TARGET FOLDER
#include "fuzz/fuzz.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <vector>

namespace {

const std::map<std::string_view, void (*)(std::string_view)> kTargets = {
    {"command_line", vitals::fuzz::target::command_line},
    {"gguf", vitals::fuzz::target::gguf},
    {"hf_config", vitals::fuzz::target::hf_config},
    {"onnx", vitals::fuzz::target::onnx},
    {"pt2", vitals::fuzz::target::pt2},
    {"safetensors", vitals::fuzz::target::safetensors},
    {"spec", vitals::fuzz::target::spec},
    {"trace", vitals::fuzz::target::trace},
};

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  const auto target = argc == 3 ? kTargets.find(argv[1]) : kTargets.end();
  if (target == kTargets.end()) {
    std::fprintf(stderr, "usage: %s TARGET FOLDER\n", argv[0]);
    return 2;
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(argv[2])) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    std::ifstream stream(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    // Named first: a crash shows which text it was.
    std::fprintf(stderr, "%s\n", path.filename().c_str());
    target->second(text);
  }
  std::fprintf(stderr, "%zu texts\n", files.size());
  return files.empty() ? 1 : 0;
}
