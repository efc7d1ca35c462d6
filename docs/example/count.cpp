// Counts a model with the installed library:
//   c++ -std=c++20 count.cpp $(pkg-config --cflags --libs vitals) -o count
#include "cost/rollup.h"
#include "frontends/spec/load.h"

#include <cstdio>

int main(int argc, char** argv) {
  try {
    const auto graph = vitals::load_model(argc > 1 ? argv[1] : "vit_base_patch16_224").build();
    std::printf("%s: %llu parameters, %llu MACs\n", graph.model.c_str(),
                static_cast<unsigned long long>(vitals::parameters(graph).sum().value()),
                static_cast<unsigned long long>(vitals::macs_by_module(graph).sum().value()));
  } catch (const vitals::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
