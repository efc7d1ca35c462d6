// Text encoders, encoder-decoders, image encoders and dual encoders from their Hugging Face
// configs: against published counts, and against the library's own parameter counts.
#include "conventions/conventions.h"
#include "cost/macs.h"
#include "cost/rollup.h"
#include "frontends/hf/config.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "support/json.h"
#include "support/model.h"
#include "support/published.h"
#include "support/refusal.h"

#include <doctest/doctest.h>

using namespace vitals;
using nlohmann::json;

namespace {

Graph build(const json& config, std::uint64_t seq_len = 8) {
  return test::model(config).build({.seq_len = seq_len});
}

Count encoder_params(const json& config) { return parameters(build(config)).sum(); }

Count builtin_params(const std::string& name) {
  return parameters(builtin_model(name, "").build({.seq_len = 8})).sum();
}

std::string encoder_fault(const json& config) {
  return test::refusal([&] { return build(config); });
}

}  // namespace

TEST_CASE("published parameters of encoders are met exactly") {
  for (const auto& record : test::published("params/", "encoders.json")) {
    CAPTURE(record["id"]);
    const auto model = test::model_of(record);
    CHECK(parameters(model.build({.seq_len = 8})).sum() ==
          Count(record["value"].get<std::uint64_t>()));
  }
}

// modeling_distilbert.py: pre_classifier, ReLU, dropout; RobertaClassificationHead and
// ElectraClassificationHead: dropout, dense, activation, dropout.
TEST_CASE("dropouts of a classification's head") {
  const std::pair<const char*, std::size_t> heads[] = {
      {"DistilBert", 1}, {"Roberta", 2}, {"Electra", 2}, {"Bert", 1}};
  for (const auto& fact : heads) {
    const std::string prefix = fact.first;
    CAPTURE(prefix);
    const auto trace = [&](const char* head) {
      return test::trace({{"architectures", {prefix + head}}}, {.training = true, .seq_len = 4});
    };
    CHECK(test::number_of<op::Dropout>(trace("ForSequenceClassification")) ==
          test::number_of<op::Dropout>(trace("Model")) + fact.second);
  }
}

TEST_CASE("accelerate's bytes of bert-base-cased are parameters and both id buffers") {
  const auto record = test::published("accelerate/bert-base-cased-total", "encoders.json").at(0);
  const auto graph = builtin_model("bert-base-cased", "").build();
  const auto bytes = stored_bytes(graph);
  CHECK(bytes.sum() == Count(record["value"].get<std::uint64_t>()));
  // The largest layer that it does not split are the embeddings with both buffers.
  const auto largest = test::published("accelerate/bert-base-cased-largest", "encoders.json").at(0);
  for (ModuleId id = 0; id < graph.modules.size(); ++id)
    if (graph.modules[id].path == "embeddings")
      CHECK(bytes.total[id] == Count(largest["value"].get<std::uint64_t>()));
}

TEST_CASE("calflops' MACs of bert-base-chinese at 128 tokens") {
  const auto record = test::published("macs/calflops-bert-base-zh-128", "encoders.json").at(0);
  const auto graph = builtin_model("bert-base-chinese", "").build({.seq_len = 128});
  const auto macs = macs_by_module(graph).sum();
  CHECK(macs == 11'174'215'680);
  CHECK(macs.as_double() == doctest::Approx(record["value"].get<double>()).epsilon(0.001));
}

// Their configs name labels, and no class: they are classifiers.
TEST_CASE("published MACs of image classifiers") {
  for (const auto& record : test::published("macs/exact", "encoders.json")) {
    CAPTURE(record["id"]);
    CHECK(macs_by_module(test::model_of(record).build()).sum() ==
          Count(record["value"].get<std::uint64_t>()));
  }
  for (const auto& record : test::published("macs/timm", "encoders.json")) {
    CAPTURE(record["id"]);
    const auto macs = total(*find_convention("fvcore"), test::model_of(record).build());
    REQUIRE(macs);
    CHECK(macs->as_double() / 1e9 ==
          doctest::Approx(record["value"].get<double>()).epsilon(record["rel_tol"].get<double>()));
  }
}

// model.num_parameters() of the checkpoints on the hub.
TEST_CASE("the library's counts of well-known checkpoints") {
  const std::pair<const char*, std::uint64_t> models[] = {
      {"bert-base-uncased", 109'482'240},
      {"roberta-base", 124'645'632},
      {"xlm-roberta-base", 278'043'648},
      {"albert-base-v2", 11'683'584},
      {"t5-base", 222'903'552},
      {"mt5-small", 300'176'768},
      {"bart-base", 139'420'416},
      {"bart-large-cnn", 406'290'432},
      {"opus-mt-en-de", 74'410'496},
      {"whisper-large-v3", 1'543'490'560},
      {"clip-vit-base-patch16", 149'620'737},
      {"clip-vit-large-patch14", 427'616'513},
      {"siglip-base-patch16-224", 203'155'970},
      {"siglip-so400m-patch14-384", 877'960'498},
      {"dinov2-base", 86'580'480},
      {"vit-mae-base", 111'907'840},
  };
  for (const auto& model : models) {
    const auto* name = model.first;
    const auto count = model.second;
    CAPTURE(name);
    CHECK(builtin_params(name) == Count(count));
  }
  CHECK(encoder_params({{"model_type", "siglip_vision_model"}}) == 92'884'224);
}

// Vaswani et al. 2017, table 3: 65 and 213 million, of a vocabulary of "about 37000" tokens.
TEST_CASE("the original Transformer, base and big") {
  CHECK(builtin_params("transformer_base").as_double() == doctest::Approx(65e6).epsilon(0.03));
  CHECK(builtin_params("transformer_big").as_double() == doctest::Approx(213e6).epsilon(0.01));
  // The same without the table: 6 (4(d^2+d) + 2df+d+f + 4d) + 6 (8(d^2+d) + 2df+d+f + 6d).
  const std::uint64_t d = 512;
  const std::uint64_t f = 2048;
  const auto layers = 6 * (12 * (d * d + d) + 2 * (2 * d * f + d + f) + 10 * d);
  CHECK(builtin_params("transformer_base") == Count(37000 * d + layers));
}

TEST_CASE("heads are the library's") {
  auto bert = [](const char* head) {
    return encoder_params({{"model_type", "bert"}, {"architectures", {head}}});
  };
  const auto model = bert("BertModel").value();
  const std::uint64_t pooler = 768 * 769;
  CHECK(bert("BertForMaskedLM") == 109'514'298);
  CHECK(bert("BertForPreTraining") == 110'106'428);
  CHECK(bert("BertForSequenceClassification") == Count(model + 2 * 769));
  CHECK(bert("BertForTokenClassification") == Count(model - pooler + 2 * 769));
  CHECK(bert("BertForQuestionAnswering") == Count(model - pooler + 2 * 769));
  CHECK(bert("BertModel(add_pooling_layer=False)") == Count(model - pooler));

  auto with = [](const char* type, const char* head, int labels = 2) {
    return encoder_params({{"model_type", type}, {"architectures", {head}}, {"num_labels", labels}})
        .value();
  };
  CHECK(with("roberta", "RobertaForSequenceClassification", 3) ==
        with("roberta", "RobertaModel") + 3 * 769);  // a dense layer of the head, not the pooler
  CHECK(with("distilbert", "DistilBertForSequenceClassification") ==
        with("distilbert", "DistilBertModel") + pooler + 2 * 769);
  CHECK(with("distilbert", "DistilBertForMaskedLM") ==
        with("distilbert", "DistilBertModel") + pooler + 2 * 768 + 30522);
  CHECK(with("t5", "T5Model") == with("t5", "T5ForConditionalGeneration"));
  CHECK(with("t5", "T5EncoderModel") == 35'330'816);  // t5-small's encoder and its table
  CHECK(with("vit", "ViTModel") == 86'389'248);
  CHECK(with("vit", "ViTForImageClassification", 1000) == 86'567'656);
  CHECK(with("vit", "ViTForImageClassification", 10) ==
        with("vit", "ViTModel(add_pooling_layer=False)") + 10 * 769);
  CHECK(with("deit", "DeiTForImageClassificationWithTeacher", 1000) == 87'338'192);
  CHECK(with("dinov2", "Dinov2ForImageClassification", 1000) ==
        with("dinov2", "Dinov2Model") + 1000 * (2 * 768 + 1));
  CHECK(with("swin", "SwinForImageClassification", 1000) == 28'288'354);
  CHECK(encoder_params({{"model_type", "beit"},
                        {"architectures", {"BeitForImageClassification"}},
                        {"use_relative_position_bias", true},
                        {"num_labels", 1000}}) == 86'530'984);
}

TEST_CASE("layers that share their weights cost like layers of their own") {
  const json albert = {{"model_type", "albert"},   {"hidden_size", 64},
                       {"embedding_size", 64},     {"num_attention_heads", 2},
                       {"intermediate_size", 128}, {"vocab_size", 100}};
  auto sum = [](const json& config) { return macs_by_module(build(config)).sum().value(); };
  auto deeper = albert;
  deeper["num_hidden_layers"] = 24;
  CHECK(encoder_params(albert) == encoder_params(deeper));
  auto one = albert;
  one["num_hidden_layers"] = 1;
  CHECK(sum(deeper) - sum(albert) == 12 * (sum(albert) - sum(one)) / 11);
  auto groups = albert;
  groups["num_hidden_groups"] = 3;
  CHECK(encoder_params(groups).value() - encoder_params(albert).value() ==
        2 * (4 * 64 * 65 + 2 * 64 * 128 + 128 + 64 + 4 * 64));
}

TEST_CASE("a decoder that looks at an encoder keeps both their keys") {
  const auto graph = build({{"model_type", "t5"}}, 32);
  REQUIRE(graph.kv_caches.size() == 12);
  CHECK(graph.kv_caches[0].key == 512);
  CHECK(graph.kv_caches[0].source_tokens == 0);
  CHECK(graph.kv_caches[1].key == 512);
  CHECK(graph.kv_caches[1].source_tokens == 32);
  const auto whisper = test::model({{"model_type", "whisper"}});
  CHECK(whisper.build().kv_caches[1].source_tokens == 1500);
  CHECK(whisper.build().num_tokens == 448);
  // One more token runs the decoder alone.
  const auto next = whisper.build({.seq_len = 1, .past_len = 9});
  CHECK(next.inputs.size() == 1);
  for (const auto& module : next.modules) CHECK_FALSE(module.path.starts_with("model.encoder"));
  CHECK_THROWS_AS((void)whisper.build({.seq_len = 1, .past_len = 448}), Error);
}

TEST_CASE("images are as large as the config says, else its preprocessor") {
  auto size = [](const json& config, const json& preprocessor) {
    const auto model = model_from_hf_config(config, "config.json", "test", preprocessor);
    const auto graph = model.build();
    return graph.nodes[graph.inputs[0]].shape;
  };
  const json crop = {{"do_center_crop", true},
                     {"crop_size", {{"height", 64}, {"width", 96}}},
                     {"size", {{"shortest_edge", 256}}}};
  CHECK(size({{"model_type", "vit"}}, crop) == Shape{1, 3, 64, 96});
  CHECK(size({{"model_type", "vit"}, {"image_size", 32}}, crop) == Shape{1, 3, 32, 32});
  CHECK(size({{"model_type", "vit"}, {"image_size", nullptr}}, {{"size", 48}}) ==
        Shape{1, 3, 48, 48});
  CHECK(size({{"model_type", "dinov2"}}, nullptr) == Shape{1, 3, 224, 224});
}

TEST_CASE("BEiT's head of masked images scores every patch") {
  const json config = {{"model_type", "beit"},    {"architectures", {"BeitForMaskedImageModeling"}},
                       {"use_mask_token", true},  {"hidden_size", 8},
                       {"num_hidden_layers", 1},  {"num_attention_heads", 2},
                       {"intermediate_size", 16}, {"image_size", 32},
                       {"vocab_size", 11}};
  const auto graph = build(config);
  CHECK(graph.nodes[graph.outputs[0]].shape == Shape{1, 4, 11});
  // patches, class and mask token; a block with scales; the last norm and the head.
  const std::uint64_t patches = 3 * 16 * 16 * 8 + 8 + 8 + 8;
  const std::uint64_t block = 4 * 64 + 3 * 8 + 2 * 8 * 16 + 16 + 8 + 4 * 8 + 2 * 8;
  CHECK(parameters(graph).sum() == Count(patches + block + 2 * 8 + 8 * 11 + 11));
}

TEST_CASE("a masked autoencoder sees a quarter of the patches") {
  const auto graph = build({{"model_type", "vit_mae"}, {"architectures", {"ViTMAEModel"}}});
  CHECK(graph.num_tokens == 50);
  CHECK(build({{"model_type", "vit_mae"}}).num_tokens == 50);
}

TEST_CASE("faults in a config are answered in its own words") {
  const std::pair<json, const char*> faults[] = {
      {{{"model_type", "bert"}, {"hidden_size", 770}},
       "/hidden_size: 770 is not divisible by num_attention_heads 12"},
      {{{"model_type", "bert"}, {"position_embedding_type", "relative_key"}},
       "/position_embedding_type"},
      {{{"model_type", "bert"}, {"num_hidden_layers", -1}}, "/num_hidden_layers"},
      {{{"model_type", "distilbert"}, {"dim", 770}}, "/dim: 770 is not divisible"},
      {{{"model_type", "roberta"}, {"max_position_embeddings", 2}}, "/max_position_embeddings"},
      {{{"model_type", "albert"}, {"num_hidden_groups", 13}},
       "/num_hidden_groups: 13 groups for 12 layers"},
      {{{"model_type", "t5"}, {"feed_forward_proj", "gated-nothing"}}, "nothing"},
      {{{"model_type", "t5"}, {"d_ff", 0}}, "/d_ff"},
      {{{"model_type", "bart"}, {"encoder_attention_heads", 7}},
       "7 heads do not divide d_model 1024"},
      {{{"model_type", "whisper"}, {"num_mel_bins", 0}}, "/num_mel_bins"},
      {{{"model_type", "clip"}, {"vision_config", {{"hidden_size", 770}}}},
       "hidden_size: 770 is not divisible"},
      {{{"model_type", "clip"}, {"text_config", 3}}, "/text_config"},
      {{{"model_type", "vit"}, {"image_size", 8}}, "8 is smaller than the patch"},
      {{{"model_type", "vit"}, {"intermediate_size", 0}}, "/intermediate_size"},
      {{{"model_type", "swin"}, {"use_absolute_embeddings", true}}, "/use_absolute_embeddings"},
      {{{"model_type", "marian"}, {"decoder_vocab_size", 5}}, "/decoder_vocab_size"},
  };
  for (const auto& each : faults) {
    const auto& config = each.first;
    const auto* message = each.second;
    CAPTURE(test::dumped(config));
    const auto said = encoder_fault(config);
    CAPTURE(said);
    CHECK(said.starts_with("config.json: "));
    CHECK(said.find(message) != std::string::npos);
  }
}

TEST_CASE("children sum to their parents in every architecture") {
  for (const auto* name : {"bert-tiny", "albert-base-v2", "t5-small", "bart-base", "whisper-tiny",
                           "clip-vit-base-patch32", "siglip-base-patch16-224", "dinov2-small",
                           "vit-mae-base", "transformer_base", "electra-small-discriminator"}) {
    CAPTURE(name);
    const auto graph = builtin_model(name, "").build();
    const auto children = children_of(graph);
    for (const auto& r : {parameters(graph), macs_by_module(graph)})
      for (ModuleId id = 0; id < graph.modules.size(); ++id) {
        Count sum = r.own[id];
        for (auto child : children[id]) sum += r.total[child];
        CHECK(sum == r.total[id]);
      }
  }
}
