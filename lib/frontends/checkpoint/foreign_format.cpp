#include "frontends/checkpoint/foreign_format.h"

#include "core/text.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace vitals {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kFromTorch =
    "convert it with PyTorch: python -c \"import torch; from safetensors.torch import save_file; w "
    "= "
    "torch.load('IN', map_location='cpu', weights_only=True); w = "
    "w.get('state_dict', w); save_file({k: v.clone().contiguous() for k, v in w.items()}, "
    "'model.safetensors')\"";
constexpr std::string_view kFromNumpy =
    "convert it with NumPy: python -c \"import numpy; from safetensors.numpy import save_file; "
    "save_file(dict(numpy.load('IN')), 'model.safetensors')\"";
constexpr std::string_view kFromGgml =
    "convert the original model again with llama.cpp's convert_hf_to_gguf.py";
constexpr std::string_view kFromOnnx =
    "give vitals the model's config.json or a spec, or write its initializers with "
    "onnx.numpy_helper.to_array and safetensors.numpy.save_file";
constexpr std::string_view kFromKeras =
    "give vitals the model's config.json or a spec, or write the weights with "
    "safetensors.numpy.save_file({w.path: w.numpy() for w in model.weights}, 'model.safetensors')";
constexpr std::string_view kFromTensorFlow =
    "load it with transformers (from_pretrained(DIR, from_tf=True)) and write it with "
    "save_pretrained(OUT)";
constexpr std::string_view kFromFlax =
    "load it with transformers (from_pretrained(DIR, from_flax=True)) and write it with "
    "save_pretrained(OUT)";
constexpr std::string_view kCompiled =
    "a compiled model cannot be turned back; give vitals what it was made from: a spec, a "
    "config.json or a .safetensors file";
constexpr std::string_view kUnpack = "unpack it first";

struct Magic {
  std::string_view bytes;
  std::size_t offset;
  ForeignFormat format;
};

constexpr std::array kMagics = {
    Magic{"tjgg"sv, 0, {"a GGML file (old llama.cpp)", kFromGgml}},
    Magic{"lmgg"sv, 0, {"a GGML file (old llama.cpp)", kFromGgml}},
    Magic{"fmgg"sv, 0, {"a GGML file (old llama.cpp)", kFromGgml}},
    Magic{"\x89HDF\r\n\x1a\n"sv, 0, {"an HDF5 file (Keras)", kFromKeras}},
    Magic{"\x93NUMPY"sv, 0, {"a NumPy array (.npy)", kFromNumpy}},
    Magic{"TFL3"sv, 4, {"a TensorFlow Lite model", kCompiled}},
    Magic{"ptrt"sv, 0, {"a TensorRT engine", kCompiled}},
    Magic{"ftrt"sv, 0, {"a TensorRT engine", kCompiled}},
    Magic{"ustar"sv, 257, {"a tar archive", kUnpack}},
    Magic{"\x1f\x8b"sv, 0, {"a gzip file", kUnpack}},
    Magic{"\xfd"
          "7zXZ\0"sv,
          0,
          {"an xz file", kUnpack}},
    Magic{"BZh"sv, 0, {"a bzip2 file", kUnpack}},
    Magic{"\x28\xb5\x2f\xfd"sv, 0, {"a Zstandard file", kUnpack}},
    Magic{"7z\xbc\xaf\x27\x1c"sv, 0, {"a 7-Zip archive", kUnpack}},
    Magic{"version https://git-lfs"sv,
          0,
          {"a Git LFS pointer, not the file that it stands for", "fetch the file: git lfs pull"}},
    Magic{"<!DOCTYPE"sv, 0, {"a web page", "the download has failed; fetch the file again"}},
    Magic{"<!doctype"sv, 0, {"a web page", "the download has failed; fetch the file again"}},
    Magic{"<html"sv, 0, {"a web page", "the download has failed; fetch the file again"}},
};

struct Suffix {
  std::string_view suffix;
  ForeignFormat format;
};

constexpr ForeignFormat kTorch = {"a PyTorch checkpoint (pickle)", kFromTorch};

// Formats whose bytes do not name them.
constexpr std::array kSuffixes = {
    Suffix{".onnx"sv, {"an ONNX model", kFromOnnx}},
    Suffix{".msgpack"sv, {"a Flax checkpoint (msgpack)", kFromFlax}},
    Suffix{".pb"sv, {"a TensorFlow graph (protobuf)", kFromTensorFlow}},
    Suffix{".mlmodel"sv, {"a Core ML model", kCompiled}},
    Suffix{".engine"sv, {"a TensorRT engine", kCompiled}},
    Suffix{".ckpt.index"sv, {"a TensorFlow checkpoint", kFromTensorFlow}},
    Suffix{".h5"sv, {"a Keras file", kFromKeras}},
    Suffix{".npz"sv, {"a NumPy archive", kFromNumpy}},
    Suffix{".pth"sv, kTorch},
    Suffix{".pt"sv, kTorch},
    Suffix{".bin"sv, kTorch},
    Suffix{".ckpt"sv, kTorch},
};

bool has(std::string_view bytes, std::string_view magic, std::size_t offset) {
  return bytes.size() >= offset + magic.size() && bytes.substr(offset, magic.size()) == magic;
}

// A zip archive names its first entry in its first bytes.
ForeignFormat zip_format(std::string_view bytes) {
  constexpr std::size_t kNameLength = 26;
  constexpr std::size_t kName = 30;
  if (bytes.size() < kName) return {"a zip archive", kUnpack};
  const auto length = static_cast<std::size_t>(static_cast<unsigned char>(bytes[kNameLength])) |
                      static_cast<std::size_t>(static_cast<unsigned char>(bytes[kNameLength + 1]))
                          << 8U;
  const auto name = bytes.substr(kName, length);
  if (name.ends_with(".npy")) return {"a NumPy archive (.npz)", kFromNumpy};
  if (name == "metadata.json" || name == "config.json" || name == "model.weights.h5")
    return {"a Keras archive", kFromKeras};
  // torch.save: "archive/data.pkl", "archive/.format_version", "archive/byteorder"
  if (name.find('/') != std::string_view::npos)
    return {"a PyTorch checkpoint (zip archive with pickles)", kFromTorch};
  return {"a zip archive", kUnpack};
}

bool is_pickle(std::string_view bytes) {
  return bytes.size() >= 2 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5;
}

// An ONNX file is a protobuf message that begins with ir_version (field 1), then most often the
// producer's name (field 2).
bool is_onnx(std::string_view bytes) {
  return bytes.size() >= 4 && bytes[0] == '\x08' && bytes[1] >= 3 && bytes[1] <= 32 &&
         (bytes[2] == '\x12' || bytes[2] == '\x3a');
}

}  // namespace

std::optional<ForeignFormat> foreign_format(std::string_view bytes, std::string_view file_name) {
  for (const auto& magic : kMagics)
    if (has(bytes, magic.bytes, magic.offset)) return magic.format;
  const bool zip = has(bytes, "PK\x03\x04", 0);
  if (zip && zip_format(bytes).mend != kUnpack) return zip_format(bytes);
  if (is_pickle(bytes)) return kTorch;
  if (is_onnx(bytes)) return kSuffixes.front().format;
  const auto name = lower_case(file_name);
  for (const auto& s : kSuffixes)
    if (name.ends_with(s.suffix)) return s.format;
  if (zip) return zip_format(bytes);
  return std::nullopt;
}

}  // namespace vitals
