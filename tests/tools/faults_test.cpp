// What can go wrong around the program: disks, pipes, signals, memory, environments.
#include "core/error.h"
#include "frontends/spec/json_text.h"
#include "frontends/spec/load.h"
#include "report/text/units.h"
#include "support/json.h"
#include "support/run.h"
#include "support/sanitized.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <locale>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace vitals;
using namespace std::chrono_literals;
using test::run;
using test::run_in;

namespace {

bool is_empty(const test::TemporaryFolder& folder) {
  return std::filesystem::is_empty(folder.path());
}

}  // namespace

TEST_CASE("a full disk leaves nothing half-written, and the old file as it was") {
  const test::TemporaryFolder folder;
  const auto file = folder.path("out.txt");
  const auto result = run_in({.file_bytes = 512}, {"summary", "vit_base_patch16_224", "-o", file});
  CHECK(result.exit_code == 1);
  CHECK(test::says(result.err, file));
  CHECK(is_empty(folder));

  folder.write("out.txt", "what was there");
  CHECK(run_in({.file_bytes = 512}, {"report", "vit_base_patch16_224", "-o", file}).exit_code == 1);
  std::ifstream kept(file);
  CHECK(std::string(std::istreambuf_iterator<char>(kept), {}) == "what was there");
}

TEST_CASE("a file that may not grow is a message, and leaves no temporary beside it") {
  const test::TemporaryFolder folder;
  const auto result = run_in({.file_bytes = 512, .file_signal = true},
                             {"summary", "vit_base_patch16_224", "-o", folder.path("out.txt")});
  CHECK(result.exit_code == 1);
  CHECK(test::says(result.err, "cannot be written: File too large"));
  CHECK(is_empty(folder));
}

TEST_CASE("a link stays a link, and a device stays a device") {
  const test::TemporaryFolder folder;
  const auto file = folder.write("out.txt", "old");
  const auto link = folder.path("link.txt");
  std::filesystem::create_symlink(file, link);
  CHECK(run({"devices", "-o", link}).exit_code == 0);
  CHECK(std::filesystem::is_symlink(link));
  CHECK(std::filesystem::file_size(file) > 3);
  CHECK(run({"devices", "-o", "/dev/null"}).exit_code == 0);
  CHECK(std::filesystem::is_character_file("/dev/null"));
  const auto result = run({"devices", "-o", folder.path()});
  CHECK(result.exit_code == 1);
  CHECK(test::says(result.err, "folder"));
}

TEST_CASE("a folder that cannot be written to is named") {
  const auto result = run({"summary", "vit_tiny_patch16_224", "-o", "/nonexistent/x.txt"});
  CHECK(result.exit_code == 1);
  CHECK(test::says(result.err, "/nonexistent/x.txt"));
}

TEST_CASE("a reader that has gone is no fault; a full standard output is one") {
  const auto gone = run_in({.nobody_reads = true}, {"summary", "vit_base_patch16_224"});
  CHECK(gone.exit_code == 0);
  CHECK(gone.err.empty());
  const auto full = run_in({.out = "/dev/full"}, {"summary", "vit_base_patch16_224"});
  CHECK(full.exit_code == 1);
  CHECK(test::says(full.err, "standard output"));
}

TEST_CASE("whatever is written, a stream that takes nothing ends no run with a signal") {
  using Words = std::vector<std::string>;
  for (const auto& words : {Words{"--help"}, Words{"--version"}, Words{"memory", "--help"},
                            Words{"memory", "--version"}, Words{"manual"}, Words{"devices"}}) {
    CAPTURE(words.back());
    const auto gone = run_in({.nobody_reads = true}, words);
    CHECK(gone.exit_code == 0);
    CHECK(gone.err.empty());
    for (const auto& full :
         {run_in({.out = "/dev/full"}, words), run_in({.closed = {STDOUT_FILENO}}, words)}) {
      CHECK(full.exit_code == 1);
      CHECK(test::says(full.err, "vitals: standard output: "));
    }
  }
  const Words wrong = {"summary", "--bogus"};
  CHECK(run_in({.err = "/dev/full"}, wrong).exit_code == 2);
  CHECK(run_in({.closed = {STDERR_FILENO}}, wrong).exit_code == 2);
  CHECK(run_in({.closed = {STDIN_FILENO}}, {"summary", "-"}).exit_code == 1);
}

TEST_CASE("no message goes into a file that was opened in the place of a closed stream") {
  const test::TemporaryFolder folder;
  const auto file = folder.path("out.json");
  const auto result =
      run_in({.closed = {STDERR_FILENO}}, {"memory", "vit_tiny_patch16_224", "--mode", "inference",
                                           "--optimizer", "sgd", "--format", "json", "-o", file});
  CHECK(result.exit_code == 0);
  std::ifstream written(file);
  CHECK(test::is_json(std::string(std::istreambuf_iterator<char>(written), {})));
}

TEST_CASE("an input is no output") {
  const test::TemporaryFolder folder;
  const auto spec = folder.write("my.json", R"({"base": "vit_tiny_patch16_224", "depth": 1})");
  const auto link = folder.path("link.json");
  std::filesystem::create_hard_link(spec, link);
  const auto config = folder.write("config.json", R"({"model_type": "gpt2", "n_layer": 1})");
  const auto device = folder.write(
      "gpu.json", R"([{"name": "mine", "peak_tflops": {"fp16": 80}, "bandwidth_gb_s": 500}])");
  const std::vector<std::vector<std::string>> lossy = {
      {"summary", spec, "-o", spec},
      {"flops", spec, "-o", link},
      {"memory", folder.path(), "-o", config},
      {"memory", config, "--output=" + config},
      {"spec", spec, "--set", "depth=2", "-o", spec},
      {"report", "vit_tiny_patch16_224", spec, "-o", spec},
      {"compare", "vit_tiny_patch16_224", spec, "-o", spec},
      {"bench", spec, "--runs", "1", "-o", spec},
      {"bench", spec, "--save-device", spec},
      {"summary", "vit_tiny_patch16_224", "--weights", spec, "-o", spec},
      {"run", "vit_tiny_patch16_224", "--weights", spec, "--input", config, "-o", spec},
      {"run", "vit_tiny_patch16_224", "--weights", spec, "--input", config, "-o", config},
      {"devices", "--device-file", device, "-o", device},
      {"predict", "vit_tiny_patch16_224", "--device", device, "-o", device},
      {"memory", "vit_tiny_patch16_224", "--device", device, "-o", device},
      {"report", "vit_tiny_patch16_224", "--device-file", device, "-o", device}};
  const auto content = [](const std::string& file) {
    std::ifstream in(file);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const auto before = content(spec) + content(config) + content(device);
  for (const auto& words : lossy) {
    CAPTURE(words.front());
    const auto result = run(words);
    CHECK(result.exit_code == 1);
    CHECK(test::says(result.err, "is an input of this command, and would be lost"));
  }
  CHECK(content(spec) + content(config) + content(device) == before);
  // What lies beside the model is none, not even in its folder.
  CHECK(run({"memory", folder.path(), "-o", folder.path("a.txt")}).exit_code == 0);
  CHECK(run({"memory", folder.path(), "-o", folder.path("a.txt")}).exit_code == 0);
}

TEST_CASE("shards that an index names are inputs; other weights in their folder are not") {
  const test::TemporaryFolder folder;
  const auto shard = folder.write("a.safetensors", "1");
  const auto other = folder.write("b.safetensors", "2");
  const auto index =
      folder.write("model.safetensors.index.json", R"({"weight_map": {"x": "a.safetensors"}})");
  const auto refused_output = [&](const std::string& weights, const std::string& out) {
    const auto result = run({"summary", "vit_tiny_patch16_224", "--weights", weights, "-o", out});
    CHECK(result.exit_code == 1);  // these are no weights
    return test::says(result.err, "is an input of this command, and would be lost");
  };
  CHECK(refused_output(index, shard));
  CHECK(refused_output(index, index));
  CHECK_FALSE(refused_output(index, other));
  CHECK(refused_output(folder.path(), shard));
  CHECK_FALSE(refused_output(folder.path(), other));
  CHECK_FALSE(refused_output(shard, other));
}

TEST_CASE("a pipe is written to by its name, and two outputs are two files") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const auto pipe = "/dev/fd/" + std::to_string(ends[1]);
  CHECK(run({"summary", "test_vit", "--style", "tree", "--depth", "0", "-o", pipe}).exit_code == 0);
  ::close(ends[1]);
  std::string text(4096, '\0');
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::read(ends[0], text.data(), 4096))));
  ::close(ends[0]);
  CHECK(test::says(text, "test_vit"));
  const test::TemporaryFolder folder;
  const auto file = folder.path("both.json");
  const auto both = run({"bench", "test_vit", "--save-device", file, "-o", file});
  CHECK(both.exit_code == 1);
  CHECK(test::says(both.err, "two outputs cannot be one file"));
  CHECK(is_empty(folder));
}

TEST_CASE("no home, and so no place to remember the machine's limits in") {
  const std::vector<std::string> bench = {
      "bench", "vit_tiny_patch16_224", "--set", "depth=1", "--runs", "1", "--warmup", "0"};
  CHECK(run_in({.environment = {{"HOME", {}}, {"XDG_CACHE_HOME", {}}}}, bench).exit_code == 0);
  CHECK(run_in({.environment = {{"HOME", {}}}}, {"devices"}).exit_code == 0);
}

// Sanitizers take more address space than any limit.
TEST_CASE("too little memory is told" * doctest::skip(test::kSanitized)) {
  const std::uint64_t mebibyte = 1U << 20U;
  for (const auto& command : std::vector<std::vector<std::string>>{
           {"summary", "vit_base_patch16_224", "--set", "depth=100000"},
           {"bench", "vit_huge_patch14_224", "--runs", "1"}}) {
    CAPTURE(command.front());
    const auto result = run_in({.memory_bytes = 256 * mebibyte}, command);
    CHECK(result.exit_code == 1);
    CHECK(test::says(result.err, "memory"));
  }
}

TEST_CASE("wherever memory ends, that is said" * doctest::skip(test::kSanitized)) {
  const std::uint64_t mebibyte = 1U << 20U;
  // A GPU's allocator is replayed from a log of a million events, which grows while storages die.
  const std::vector<std::string> command = {
      "memory", "vit_base_patch16_224", "--set", "depth=300", "--batch", "8", "--device", "h100"};
  std::size_t told = 0;
  for (std::uint64_t limit = 16; limit <= 40; limit += 2) {
    CAPTURE(limit);
    const auto result = run_in({.memory_bytes = limit * mebibyte}, command);
    CHECK((result.exit_code == 0 || result.exit_code == 1));
    if (result.exit_code == 1 && test::says(result.err, "memory")) ++told;
  }
  CHECK(told > 0);
}

TEST_CASE("a pipe in the place of the remembered limits is left alone") {
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder.path("vitals"));
  const auto pipe = folder.path("vitals/machine");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const auto result =
      run_in({.environment = {{"XDG_CACHE_HOME", folder.path()}}},
             {"bench", "vit_tiny_patch16_224", "--set", "depth=1", "--runs", "1", "--warmup", "0"});
  CHECK(result.exit_code == 0);
  CHECK(std::filesystem::is_fifo(pipe));
}

TEST_CASE("Ctrl-C ends the measuring, and what was measured is told") {
  test::Result result;
  // A machine under load may not have come as far as the measuring: then it has more time.
  for (const auto wait : {200ms, 2000ms, 15000ms}) {
    const auto interrupt = [wait](pid_t child) {
      std::this_thread::sleep_for(wait);
      ::kill(child, SIGINT);
    };
    result = run_in({.meanwhile = interrupt}, {"bench", "vit_tiny_patch16_224", "--warmup", "0",
                                               "--seconds", "600", "--format", "json"});
    if (result.exit_code == 0) break;
  }
  REQUIRE(result.exit_code == 0);
  const auto report = parse_json(result.out, "bench");
  CHECK(report["latency_ms"]["runs"] >= 1);
  CHECK(test::says(result.err + result.out, "nterrupted"));
}

TEST_CASE("numbers are written alike whatever the locale") {
  struct German : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const auto before = std::locale::global(std::locale(std::locale::classic(), new German));
  const auto size = binary_bytes(346'270'624);
  const auto count = grouped(Count(86'567'656));
  const auto eps = test::dumped(parse_json(R"({"eps": 1.5e-3})", "spec")["eps"]);
  std::locale::global(before);
  CHECK(size == "330.2 MiB");
  CHECK(count == "86,567,656");
  CHECK(eps == "0.0015");

  const auto here = run({"memory", "vit_base_patch16_224"});
  const auto there =
      run_in({.environment = {{"LC_ALL", "de_DE.UTF-8"}}}, {"memory", "vit_base_patch16_224"});
  CHECK(there.out == here.out);
}

// g++ 12.2 destroys a braced aggregate inside another one twice when a later initialiser throws,
// and a size that does not fit into 64 bits throws nearly everywhere.
TEST_CASE("sizes near the end of 64 bits are answered or refused by every command") {
  const test::TemporaryFolder folder;
  const auto page = folder.path("page.html");
  const std::vector<std::vector<std::string>> commands = {
      {"summary", "MODEL"},
      {"summary", "MODEL", "--style", "tree", "--format", "json"},
      {"flops", "MODEL"},
      {"flops", "MODEL", "--convention", "all", "--format", "csv"},
      {"flops", "MODEL", "--explain", "."},
      {"memory", "MODEL"},
      {"memory", "MODEL", "--checkpoint", "block", "--precision", "mixed20"},
      {"memory", "MODEL", "--mode", "inference", "--device", "h100", "--format", "json"},
      {"memory", "MODEL", "--explain", "."},
      {"predict", "MODEL", "--device", "h100"},
      {"predict", "MODEL", "--device", "h100", "--mode", "training", "--format", "json"},
      {"compare", "MODEL", "gpt2"},
      {"bench", "MODEL", "--runs", "1", "--warmup", "0"},
      {"report", "MODEL", "-o", page},
      {"report", "gpt2", "MODEL", "-o", page},
  };
  const std::vector<std::vector<std::string>> sizes = {
      {"--batch", "1099511627776"},
      {"--batch", "549755813888", "--seq-len", "1"},
      {"--seq-len", "4294967296"},
      {"--set", "vocab_size=18446744073709551615"},
      {"--batch", "17179869184", "--set", "num_hidden_layers=1"},
  };
  for (auto words : commands)
    for (const auto& size : sizes) {
      std::replace(words.begin(), words.end(), std::string("MODEL"), std::string("gpt2"));
      auto all = words;
      all.insert(all.end(), size.begin(), size.end());
      std::string line;
      for (const auto& word : all) line += word + " ";
      CAPTURE(line);
      const auto result = run(all);
      CAPTURE(result.err);
      CHECK((result.exit_code >= 0 && result.exit_code <= 2));
      CHECK((result.exit_code == 0 || (result.out.empty() && !result.err.empty())));
      CHECK((result.exit_code == 0 || !std::filesystem::exists(page)));
      std::filesystem::remove(page);
    }
}

TEST_CASE("names with escape sequences reach no terminal") {
  const test::TemporaryFolder folder;
  const std::string evil = "a\033[31m\xc2\x9b\xe2\x80\xae<b>|=\xff\n";
  const std::string spec = R"({"base": "vit_tiny_patch16_224"})";
  const auto file = folder.write(evil + ".json", spec);
  const auto inside = folder.path("=" + evil);
  std::filesystem::create_directory(inside);
  std::ofstream(inside + "/config.json") << R"({"model_type": "vit", "x\u001b\u202e\ny": 1})";
  const auto devices =
      folder.write("devices.json", R"([{"name": "d", "title": "t\u001b[2J", "bandwidth_gb_s": 1,
                           "peak_tflops": {"fp32": 1}, "units": 1, "kind": "gpu"}])");
  const auto safe = [&](const std::string& text) {
    for (const char* bytes : {"\033", "\xc2\x9b", "\xe2\x80\xae", "\xff", "\ny"})
      if (text.find(bytes) != std::string::npos) return false;
    return true;
  };
  for (const auto& model : {file, inside})
    for (const char* command : {"summary", "flops", "memory", "spec", "report", "compare"})
      for (const char* format : {"table", "json", "csv", "markdown"}) {
        std::vector<std::string> words = {command, model};
        if (command == std::string("compare")) words.emplace_back("gpt2");
        if (command != std::string("spec") && command != std::string("report"))
          words.insert(words.end(), {"--format", format});
        if (command == std::string("summary")) words.insert(words.end(), {"--style", "tree"});
        CAPTURE(command);
        CAPTURE(format);
        const auto result = run(words);
        CHECK(result.exit_code == 0);
        CHECK(safe(result.out));
        CHECK(safe(result.err));
        const bool page = command == std::string("report");
        if ((format == std::string("json") && !page) || command == std::string("spec"))
          CHECK(test::parsed(result.out).is_object());
        if (format == std::string("markdown") && command != std::string("spec"))
          CHECK_FALSE(test::says(result.out, "a\\x1b[31m\\u009b\\u202e<b>"));
      }
  const auto unknown = run({"summary", folder.path(evil)});
  CHECK(unknown.exit_code == 1);
  CHECK(safe(unknown.err));
  const auto device = run({"devices", "--device-file", devices});
  CHECK(safe(device.out + device.err));
  const auto set = run({"summary", "vit_tiny_patch16_224", "--set", "norm_layer=" + evil});
  CHECK(set.exit_code == 1);
  CHECK(safe(set.err));
}

TEST_CASE("a folder that may not be entered is told as such") {
  const test::TemporaryFolder folder;
  folder.write("config.json", R"({"model_type": "vit"})");
  // Root may enter everything: as nobody in a child, who may not.
  using std::filesystem::perms;
  std::filesystem::permissions(folder.path(),
                               perms::owner_read | perms::group_read | perms::others_read);
  std::string message;
  const auto before = ::geteuid();
  if (before == 0) CHECK(::seteuid(65534) == 0);
  try {
    (void)load_model(folder.path());
  } catch (const Error& error) {
    message = error.what();
  }
  if (before == 0) CHECK(::seteuid(0) == 0);
  std::filesystem::permissions(folder.path(), perms::owner_all);
  CHECK(test::says(message, "/config.json: cannot be read: Permission denied"));
}

// A config of a stranger may hold anything.
TEST_CASE("a note names ten unknown fields and counts the others") {
  const test::TemporaryFolder folder;
  std::string config = R"({"model_type": "vit")";
  for (int i = 0; i < 20'000; ++i) config += ", \"x" + std::to_string(i) + "\": {}";
  const auto file = folder.write("config.json", config + "}");
  const auto result = run({"summary", file, "--format", "json"});
  CHECK(result.exit_code == 0);
  CHECK(test::says(result.err, " and 19990 more"));
  CHECK(result.err.size() < 1000);
  CHECK(test::parsed(result.out)["notes"].size() >= 2);  // and the sizes that it does not state
}

TEST_CASE("a changed model says what was changed of it") {
  const auto json_of = [](std::vector<std::string> words) {
    words.insert(words.begin(), "summary");
    words.insert(words.end(), {"--format", "json"});
    return test::parsed(run(words).out);
  };
  const auto model = [&](const std::vector<std::string>& words) {
    const auto told = json_of(words);
    CHECK(told["model"] == "vit_base_patch32_224");
    return told.contains("notes") ? told["notes"][0].get<std::string>() : "";
  };
  CHECK(model({"vit_base_patch32_224", "--set", "depth=24"}) ==
        "vit_base_patch32_224 with depth 24");
  CHECK(model({"vit_base_patch32_224", "--num-classes", "10", "--set", "depth=24"}) ==
        "vit_base_patch32_224 with num_classes 10, depth 24");
  CHECK(model({"vit_base_patch32_224", "--set", "depth=12"}).empty());
  const auto mine = json_of({"vit_base_patch32_224", "--set", "depth=24", "--set", "name=mine"});
  CHECK(mine["model"] == "mine");
  CHECK_FALSE(mine.contains("notes"));
  for (const char* command : {"flops", "memory", "report"})
    CHECK(test::says(run({command, "vit_base_patch32_224", "--set", "depth=3"}).out,
                     "vit_base_patch32_224 with depth 3"));
  CHECK(test::says(
      run({"summary", "vit_base_patch32_224", "--set", "depth=3", "--style", "tree"}).out,
      "vit_base_patch32_224 with depth 3"));
}
