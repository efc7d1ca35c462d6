// The field's rules of thumb beside exact figures: where a model is the plain stack that a rule
// describes, both agree to the digit; elsewhere the difference is what the papers say it is.
#include "rules/field_rules.h"

#include "frontends/spec/load.h"
#include "graph/builder.h"
#include "report/rules.h"
#include "support/json.h"
#include "support/model.h"
#include "support/refusal.h"

#include <doctest/doctest.h>

#include <string>

using namespace vitals;
using nlohmann::json;

namespace {

FieldRules rules_of(const Model& model, BuildOptions options = {}, RuleOptions rules = {}) {
  options.attention = AttentionKernel::eager;
  const auto graph = model.build(options);
  options.training = true;
  const auto training = model.build(options);
  return field_rules({graph, training}, rules);
}

const FieldRule& line(const FieldRules& rules, const std::string& section,
                      const std::string& quantity) {
  for (const auto& each : rules.lines)
    if (each.section == section && each.quantity == quantity) return each;
  FAIL("no line " << section << ": " << quantity);
  return rules.lines.front();
}

void check_equal(const FieldRules& rules, const std::string& section, const std::string& quantity) {
  CAPTURE(section);
  CAPTURE(quantity);
  const auto& l = line(rules, section, quantity);
  REQUIRE(l.exact);
  CHECK(l.rule.value() == *l.exact);
}

}  // namespace

TEST_CASE("the rules hold to the digit for ViT-B's layers") {
  const auto rules = rules_of(load_model("vit_base_patch32_224"));
  CHECK(rules.sizes.layers == 12);
  CHECK(rules.sizes.hidden == 768);
  CHECK(rules.sizes.tokens == 50);
  for (const char* part : {"attention", "feed-forward (MLP)", "two LayerNorms", "layer"})
    check_equal(rules, "parameters of a layer", part);
  // 12 x 768^2 + 13 x 768 (Dosovitskiy et al. 2021, arXiv:2010.11929: 12 layers of 7.1 M).
  CHECK(line(rules, "parameters of a layer", "layer").exact == Count(7'087'872));
  for (const char* part :
       {"attention's projections", "attention's two products", "feed-forward (MLP)", "layer"})
    check_equal(rules, "forward FLOPs of a layer", part);
  check_equal(rules, "forward FLOPs of the model", "layers");
  CHECK(line(rules, "parameters of the model", "model").exact == Count(88'224'232));
}

TEST_CASE("BERT's layers and vocabulary") {
  // 12 layers of 7,087,872; the table has 30,522 x 768 = 23,440,896 (Devlin et al. 2019,
  // arXiv:1810.04805, and the published checkpoint's 109,482,240 parameters).
  const auto rules =
      rules_of(test::model(json{{"model_type", "bert"}, {"architectures", {"BertModel"}}}));
  check_equal(rules, "parameters of a layer", "layer");
  check_equal(rules, "parameters of the model", "vocabulary");
  CHECK(line(rules, "parameters of the model", "vocabulary").exact == Count(23'440'896));
  CHECK(line(rules, "parameters of the model", "model").exact == Count(109'482'240));
}

TEST_CASE("where a layer is another, the remark says which term") {
  const auto rules = rules_of(load_model("llama-3-8b"), {.seq_len = 128});
  const auto& attention = line(rules, "parameters of a layer", "attention");
  // q and o are h^2, k and v a quarter of it each (Llama 3, arXiv:2407.21783: 8 of 32 heads).
  CHECK(attention.exact == Count(4096) * 4096 * 2 + Count(4096) * 1024 * 2);
  CHECK(attention.remark.find("8 for 32") == std::string::npos);
  CHECK(attention.remark.find("keys and values of 8 heads for 32 of queries") != std::string::npos);
  CHECK(attention.remark.find("no biases") != std::string::npos);
  const auto& mlp = line(rules, "parameters of a layer", "feed-forward (MLP)");
  CHECK(mlp.exact == Count(3) * 4096 * 14336);
  CHECK(mlp.remark.find("gated: three matrices of h x 14336, 3 x 3.5 h^2") != std::string::npos);
  CHECK(line(rules, "parameters of a layer", "two LayerNorms").exact == Count(2 * 4096));
  check_equal(rules, "forward FLOPs of the model", "logits");
}

TEST_CASE("Swin's windows and widths are told") {
  const auto rules = rules_of(load_model("swin_tiny_patch4_window7_224"));
  CHECK_FALSE(rules.equal_layers);
  // Windows of 7 x 7 (Liu et al. 2021, arXiv:2103.14030, section 3.2).
  CHECK(line(rules, "forward FLOPs of a layer", "attention's two products")
            .remark.find("multiplies with 49 keys") != std::string::npos);
}

TEST_CASE("bytes of mixed-precision AdamW, term by term") {
  const auto rules = rules_of(load_model("vit_base_patch32_224"));
  constexpr auto section = "bytes of mixed-precision AdamW";
  const Count params(88'224'232);
  CHECK(line(rules, section, "16-bit weights").exact == params * 2);
  CHECK(line(rules, section, "fp32 master weights").exact == params * 4);
  CHECK(line(rules, section, "gradients, 16-bit and fp32").exact == params * 6);
  const auto& moments = line(rules, section, "AdamW's two moments");
  CHECK(*moments.exact - params * 8 == Count(4 * 152));  // a step counter for each of 152 tensors
  CHECK(line(rules, section, "training").rule.value() == params * 20);
  CHECK(line(rules, "bytes of inference", "16-bit weights").exact == params * 2);
}

TEST_CASE("the table of layer types of Attention Is All You Need") {
  // n = 70 tokens of a sentence, d = 512 (section 4 names d > n as the usual case).
  const auto types = layer_types(70, 512, {.kernel = 3, .window = 16});
  REQUIRE(types.size() == 4);
  CHECK(types[0].rule.value() == Count(70 * 70) * 512);
  CHECK(types[1].rule.value() == Count(70) * 512 * 512);
  CHECK(types[2].rule.value() == Count(3 * 70) * 512 * 512);
  CHECK(types[3].rule.value() == Count(16 * 70) * 512);
  CHECK(types[0].sequential == 1);
  CHECK(types[1].sequential == 70);
  CHECK(types[1].path == 70);
  CHECK(types[2].path == 4);  // log_3(70) = 3.87
  CHECK(types[3].path == 5);  // 70 / 16
  CHECK(types[0].remark.find("cheaper than a recurrent layer") != std::string::npos);
  CHECK(layer_types(1024, 512, {})[0].remark.find("no cheaper") != std::string::npos);
  CHECK_FALSE(layer_types(70, 512, {.kernel = 1})[2].path.has_value());
}

TEST_CASE("every section sums to its last line") {
  for (const char* name : {"vit_base_patch32_224", "gpt2", "llama-3-8b", "mixer_b16_224",
                           "swin_tiny_patch4_window7_224", "t5-small", "mixtral-8x7b"}) {
    CAPTURE(name);
    const auto rules = rules_of(load_model(name));
    std::size_t sections = 0;
    for (const char* section : {"parameters of a layer", "forward FLOPs of a layer",
                                "parameters of the model", "forward FLOPs of the model"}) {
      CAPTURE(section);
      Count sum;
      for (const auto& l : rules.lines)
        if (l.section == section && l.quantity != "layer" && l.quantity != "model") sum += *l.exact;
      const bool of_layer = std::string(section).find("of a layer") != std::string::npos;
      CHECK(sum == *line(rules, section, of_layer ? "layer" : "model").exact);
      ++sections;
    }
    CHECK(sections == 4);
  }
}

TEST_CASE("layers without attention say so, and their width is that of their channels") {
  const auto rules = rules_of(load_model("convnext_tiny"));
  CHECK(rules.sizes.hidden == 96);  // Liu et al. 2022, arXiv:2201.03545: C = (96, 192, 384, 768)
  CHECK(rules.sizes.tokens == 56 * 56);
  const auto& attention = line(rules, "parameters of a layer", "attention");
  CHECK(attention.exact == Count(0));
  CHECK(attention.remark == "no attention in this layer");
  check_equal(rules, "parameters of a layer", "feed-forward (MLP)");
}

TEST_CASE("a model without layers is refused") {
  Builder b("nothing", {});
  auto x = b.input({1, 4});
  const auto graph = std::move(b).finish({x});
  CHECK(test::refusal([&] {
          return field_rules({graph, graph}, {});
        }).find("do not apply") != std::string::npos);
}

TEST_CASE("formulas read as in papers") {
  const Formula::Factor h{"h", 768};
  const Formula::Factor l{"l", 12};
  Formula f{l, {nullptr, 12}, h, h};
  f.plus({l, {nullptr, 13}, h});
  CHECK(as_in_papers(f) == "12lh^2 + 13lh");
}
