// What the libraries that are opened at run time can lack: they are found through LD_LIBRARY_PATH,
// where each case puts its own.
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <filesystem>

using namespace vitals;

#ifdef VITALS_WITH_ONEDNN

namespace {

constexpr const char* kOnednn = "libdnnl.so.2";
constexpr const char* kOpenMp = "libgomp.so.1";

struct Fault {
  std::string file;  // what is in it; none: no library, but text
  std::string library;
  std::string fault;  // of FAKE_ONEDNN
  std::vector<std::string> options;
  std::string message;
};

const Fault kFaults[] = {
    {"", kOnednn, "", {}, "--backend onednn: cannot open oneDNN (libdnnl.so.2): "},
    {FAKE_NOTHING, kOnednn, "", {}, "--backend onednn: libdnnl.so.2 has no dnnl_version"},
    {FAKE_ONEDNN, kOnednn, "old", {}, "libdnnl.so.2 is oneDNN 2.0, but 2."},
    {FAKE_ONEDNN, kOnednn, "no_engine", {}, "oneDNN: opening the CPU engine failed with status 3"},
    {FAKE_ONEDNN, kOnednn, "no_products", {}, "patch_embed.proj: oneDNN: "},
    {FAKE_ONEDNN,
     kOnednn,
     "no_products",
     {"--precision", "bf16"},
     "--precision bf16: the backend onednn cannot multiply bf16 on this CPU (oneDNN: "},
    {"", kOpenMp, "", {}, "--backend onednn: cannot open libgomp.so.1 (OpenMP threads): "},
    {FAKE_NOTHING, kOpenMp, "", {}, "--backend onednn: libgomp.so.1 has no GOMP_parallel"},
};

}  // namespace

TEST_CASE("a library that is not what it should be is named, with what it lacks") {
  for (const auto& f : kFaults) {
    CAPTURE(f.message);
    const test::TemporaryFolder folder;
    // The threads are opened after the products.
    if (f.library == kOpenMp) std::filesystem::copy_file(FAKE_ONEDNN, folder.path(kOnednn));
    if (f.file.empty())
      folder.write(f.library, "no library");
    else
      std::filesystem::copy_file(f.file, folder.path(f.library));
    // One thread, because libgomp is not instrumented for the thread sanitizer.
    std::vector<std::string> arguments = {"bench",     "vit_tiny_patch16_224",
                                          "--runs",    "1",
                                          "--warmup",  "0",
                                          "--threads", "1",
                                          "--backend", "onednn"};
    arguments.insert(arguments.end(), f.options.begin(), f.options.end());
    const auto result = test::run_in({.environment = {{"LD_LIBRARY_PATH", folder.path()},
                                                      {"FAKE_ONEDNN", f.fault},
                                                      {"XDG_CACHE_HOME", folder.path()}}},
                                     arguments);
    CAPTURE(result.err);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK(test::says(result.err, f.message));
    // A backend that cannot be opened is said before half a second goes into the machine's limits.
    if (test::says(f.message, "--backend"))
      CHECK_FALSE(std::filesystem::exists(folder.path("vitals/machine")));
  }
}

TEST_CASE("without the library the program's own kernels run") {
  const test::TemporaryFolder folder;
  folder.write(kOnednn, "no library");
  folder.write(kOpenMp, "no library");
  const test::Circumstances without = {.environment = {{"LD_LIBRARY_PATH", folder.path()}}};
  CHECK(test::run_in(without, {"bench", "vit_tiny_patch16_224", "--runs", "1", "--warmup", "0"})
            .exit_code == 0);
  CHECK(test::run_in(without, {"--version"}).exit_code == 0);
}

#else

TEST_CASE("a build without oneDNN says so") {
  const auto result = test::run({"bench", "vit_tiny_patch16_224", "--backend", "onednn"});
  CHECK(result.exit_code == 1);
  CHECK(test::says(result.err, "--backend onednn: this vitals was built without oneDNN"));
}

#endif
