// What libFuzzer calls with each text: the target FUZZ_TARGET.
#include "fuzz/fuzz.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vitals::fuzz::target::FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
