// The schema that `vitals spec --schema` prints, judged by a schema library against real specs.
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "support/json.h"

#include <doctest/doctest.h>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

using namespace vitals;
using nlohmann::json;
using valijson::adapters::NlohmannJsonAdapter;

namespace {

class SchemaJudge {
 public:
  SchemaJudge() {
    valijson::SchemaParser parser;
    parser.populateSchema(NlohmannJsonAdapter(document_), schema_);
  }
  bool accepts(const json& spec) {
    valijson::Validator validator;
    return validator.validate(schema_, NlohmannJsonAdapter(spec), nullptr);
  }

 private:
  json document_ = json(vitals::spec_schema());
  valijson::Schema schema_;
};

}  // namespace

TEST_CASE("every built-in model, resolved, fits the schema") {
  SchemaJudge judge;
  for (const auto& name : vitals::builtin_names()) {
    CAPTURE(name);
    CHECK(judge.accepts(json(vitals::spec_of(vitals::builtin_model(name, "")))));
  }
}

TEST_CASE("the schema and the parser agree on what is a spec") {
  SchemaJudge judge;
  const json vit = {{"architecture", "vit"}, {"depth", 2}};
  const auto with = [&](const char* key, json value) {
    json spec = vit;
    spec[key] = std::move(value);
    return spec;
  };
  const json good[] = {
      vit,
      with("img_size", {224, 160}),
      with("img_size", 160),
      with("norm_layer", {{"kind", "RmsNorm"}, {"eps", 1e-5}}),
      with("norm_layer", nullptr),
      with("act_layer", nullptr),
      with("init_values", 1e-5),
      with("qk_scale", nullptr),
      with("drop_ratio", 0.1),
      with("drop_path_rate", 0.0),
  };
  const json bad[] = {
      with("depth", "2"),
      with("depth", -1),
      with("depth", 1.5),
      with("depht", 2),
      with("img_size", {1, 2, 3}),
      with("img_size", 0),
      with("drop_rate", 1.0),
      with("qkv_bias", 1),
      with("norm_layer", {{"eps", 1}}),
      with("depth", 1000000000),
      json::array(),
  };
  for (const auto& spec : good) {
    CAPTURE(test::dumped(spec));
    CHECK(judge.accepts(spec));
    CHECK_NOTHROW((void)vitals::model_from_spec(spec, "test", "x"));
  }
  for (const auto& spec : bad) {
    CAPTURE(test::dumped(spec));
    CHECK_FALSE(judge.accepts(spec));
    CHECK_THROWS_AS((void)vitals::model_from_spec(spec, "test", "x"), vitals::Error);
  }
}
