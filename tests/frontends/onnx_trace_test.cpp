// ONNX files as traces: parameters, multiply-accumulates and modules of PyTorch's own modules
// (tests/data/onnx/facts.json), whatever an exporter made of them.
#include "core/error.h"
#include "cost/op_totals.h"
#include "cost/rollup.h"
#include "frontends/spec/load.h"
#include "support/json.h"
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <map>

using namespace vitals;

namespace {

std::string path_of(const std::string& file) {
  return std::string(TEST_DATA_DIR) + "/onnx/" + file;
}

nlohmann::json facts_of_files() { return test::parsed(test::data("onnx/facts.json")).at("files"); }

// Parameters of the file that are not those of the module, with the reason.
const std::map<std::string, std::int64_t> kDifferences = {
    {"conv1d_3d.onnx", -38},   // batch norms folded
    {"hand_layer.onnx", 38},   // buffers that an ONNX file does not tell from parameters
    {"multi_io.onnx", -56},    // a layer that is never called
    {"resnet18.onnx", -4800},  // batch norms folded: 9600 gone, 4800 biases came in
    {"shared_module.localfn.onnx", -16},
    {"shared_module.onnx", -16},      // batch norms folded
    {"tied_lm.localfn.onnx", 13248},  // the tied head is a tensor of its own, a mask is gone
    {"unet_deconv.onnx", -16},
    {"weight_norm_1d.onnx", -20},  // g and v folded into the weight
};

}  // namespace

TEST_CASE("ONNX files have the parameters and multiply-accumulates of the modules") {
  std::size_t exact = 0;
  const auto facts = facts_of_files();
  for (const auto& item : facts.items()) {
    const std::string file = item.key();
    const auto& fact = item.value();
    CAPTURE(file);
    if (fact.contains("given")) continue;  // sizes that change the count: below
    const auto graph = load_model(path_of(file)).build();
    CHECK(macs_by_module(graph).sum().value() == fact["macs"].get<std::uint64_t>());
    const auto difference = static_cast<std::int64_t>(parameters(graph).sum().value()) -
                            fact["params"].get<std::int64_t>();
    const auto known = kDifferences.find(file);
    CHECK(difference == (known == kDifferences.end() ? 0 : known->second));
    exact += difference == 0 ? 1 : 0;
    CHECK(unknown_ops(graph).empty());
  }
  CHECK(exact >= 7);
}

TEST_CASE("modules of an ONNX file carry the paths and the work of PyTorch's") {
  std::size_t found = 0;
  const auto facts = facts_of_files();
  for (const auto& item : facts.items()) {
    const std::string file = item.key();
    const auto& fact = item.value();
    if (fact.contains("given") || file.find("localfn") != std::string::npos) continue;
    const auto graph = load_model(path_of(file)).build();
    const auto macs = macs_by_module(graph);
    std::map<std::string, std::uint64_t> by_path;
    for (ModuleId id = 0; id < graph.modules.size(); ++id)
      by_path[graph.modules[id].path] = macs.total[id].value();
    for (const auto& row : fact["modules"]) {
      const auto path = row[0].get<std::string>();
      CAPTURE(file);
      CAPTURE(path);
      const auto at = by_path.find(path);
      if (at == by_path.end()) continue;  // containers that are not called, folded norms
      // A module that is called again stands beside itself as name_1.
      CHECK(at->second <= row[3].get<std::uint64_t>());
      found += at->second == row[3].get<std::uint64_t>() && at->second > 0 ? 1 : 0;
    }
  }
  CHECK(found > 60);
}

TEST_CASE("open dimensions of an ONNX file are options, a fixed batch is not changed") {
  BuildOptions two;
  two.batch = 2;
  const auto lstm = load_model(path_of("lstm_classifier.dynbatch.onnx"));
  CHECK(macs_by_module(lstm.build(two)).sum() == Count(1767200));
  CHECK(lstm.build(two).batch == 2);
  const auto fixed = load_model(path_of("alexnet.onnx"));
  CHECK_THROWS_WITH_AS((void)fixed.build(two),
                       doctest::Contains("its inputs state a batch of 1; a batch of 2 needs"),
                       Error);
  const auto given =
      test::run({"summary", path_of("if_loop_script.onnx"), "--dim", "n.1=3", "--format", "json"});
  CHECK(test::parsed(given.out)["totals"]["macs"] == 3200);
  const auto unknown = test::run({"summary", path_of("alexnet.onnx"), "--dim", "height=3"});
  CHECK(unknown.exit_code == 1);
  CHECK(unknown.out.empty());
  CHECK(test::says(unknown.err, "the file has no such dimension"));
}

TEST_CASE("what an exporter folded is said") {
  const auto result = test::run({"summary", path_of("resnet18.onnx"), "--format", "json"});
  REQUIRE(result.exit_code == 0);
  const auto notes = test::parsed(result.out)["notes"];
  REQUIRE(notes.size() == 1);
  CHECK(test::says(notes[0].get<std::string>(), "batch norms are folded into 40 weights"));
}

TEST_CASE("every command takes an ONNX file, or says why not") {
  const auto file = path_of("resnet18.bnkept.onnx");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"flops", file},
                                                {"memory", file},
                                                {"list-ops", file},
                                                {"predict", file, "--device", "rtx4090"},
                                                {"compare", file, file}}) {
    const auto result = test::run(words);
    CAPTURE(result.err);
    CHECK(result.exit_code == 0);
    CHECK_FALSE(result.out.empty());
  }
  const test::TemporaryFolder folder;
  const auto page = test::run({"report", file, "-o", folder.path("page.html")});
  CHECK(page.exit_code == 0);
  const auto whole = test::data("onnx/alexnet.onnx");
  const auto cut = test::run({"summary", folder.write("cut.onnx", whole.substr(0, 700))});
  CHECK(cut.exit_code == 1);
  CHECK(cut.out.empty());
  CHECK(test::says(cut.err, "cut.onnx"));
}

TEST_CASE("chains of an exporter are lifted to the function that they are") {
  const auto graph = load_model(path_of("tf_encoder.onnx")).build();
  std::size_t functions = 0;
  for (const auto& node : graph.nodes)
    if (const auto* u = std::get_if<op::Unary>(&node.op))
      functions += u->kind == op::UnaryKind::gelu ? 1 : 0;
  REQUIRE(graph.lifted.size() == 1);
  CHECK(graph.lifted[0].pattern == "gelu by erf");
  CHECK(graph.lifted[0].times == functions);
  CHECK(graph.lifted[0].nodes == 5 * functions);
  CHECK(functions > 0);
}
