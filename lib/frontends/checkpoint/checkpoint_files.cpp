#include "frontends/checkpoint/checkpoint_files.h"

#include "frontends/checkpoint/foreign_format.h"
#include "frontends/checkpoint/safetensors.h"
#include "frontends/gguf/gguf.h"
#include "frontends/onnx/onnx_model.h"
#include "frontends/spec/json_text.h"
#include "frontends/torch/pt2.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <set>

namespace vitals {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxIndexBytes = 128U << 20U;
constexpr std::string_view kSuffix = ".safetensors";
constexpr std::string_view kIndexSuffix = ".index.json";
constexpr std::size_t kHeadBytes = 512;

std::string file_name(const std::string& path) { return fs::path(path).filename().string(); }

std::string beside(const std::string& path, const std::string& name) {
  return (fs::path(path).parent_path() / name).string();
}

// "model-00002-of-00005.safetensors" is shard 2 of 5 of "model".
struct ShardName {
  std::string base;
  std::uint64_t number = 0;
  std::uint64_t count = 0;
};

std::optional<ShardName> shard_name(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  name.remove_suffix(kSuffix.size());
  // A number of up to eight digits at the end of the name.
  auto take = [&](std::uint64_t& number) {
    std::size_t digits = 0;
    std::uint64_t unit = 1;
    while (!name.empty() && name.back() >= '0' && name.back() <= '9' && digits++ < 8) {
      number += static_cast<std::uint64_t>(name.back() - '0') * unit;
      unit *= 10;
      name.remove_suffix(1);
    }
    return digits > 0;
  };
  auto skip = [&](std::string_view text) {
    if (!name.ends_with(text)) return false;
    name.remove_suffix(text.size());
    return true;
  };
  ShardName shard;
  if (!take(shard.count) || !skip("-of-") || !take(shard.number) || !skip("-")) return std::nullopt;
  shard.base = name;
  return shard;
}

std::vector<std::string> safetensors_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    auto name = it->path().filename().string();
    if (name.ends_with(kSuffix) && !it->is_directory(code)) names.push_back(std::move(name));
  }
  if (code) fail("{}: cannot be read: {}", folder, code.message());
  std::sort(names.begin(), names.end(), natural_less);
  return names;
}

std::optional<std::string> index_in(const std::string& folder) {
  const auto path = (fs::path(folder) / "model.safetensors.index.json").string();
  std::error_code code;
  return fs::exists(path, code) ? std::optional(path) : std::nullopt;
}

[[noreturn]] void refuse(const std::string& path, const ForeignFormat& format) {
  fail("{}: is {}, which vitals does not read; {}", path, format.what, format.mend);
}

// A file that is called .safetensors is told what is wrong with it as one.
Checkpoint read_file(const std::string& path) {
  const RandomAccessFile file(path);
  const auto head = file.head(kHeadBytes);
  if (!looks_like_safetensors(head, file.size()))
    if (const auto foreign = foreign_format(head, path.ends_with(kSuffix) ? "" : path))
      refuse(path, *foreign);
  return read_safetensors(path);
}

Checkpoint read_shards(const std::string& path_of_all, const std::vector<std::string>& paths) {
  Checkpoint all;
  all.path = path_of_all;
  const auto path = fs::path(path_of_all).lexically_normal();
  all.name = (path.has_filename() ? path : path.parent_path()).filename().string();
  for (const auto& shard_path : paths) {
    auto shard = read_file(shard_path);
    const auto file = static_cast<std::uint32_t>(all.files.size());
    all.files.push_back(std::move(shard.files.front()));
    for (auto& tensor : shard.tensors) {
      tensor.file = file;
      all.tensors.push_back(std::move(tensor));
    }
    all.shared.merge(shard.shared);
    all.metadata.merge(shard.metadata);
  }
  sort_tensors(all);
  return all;
}

// Every tensor of the index must be in the shard that it is said to be in. What the shards hold
// beyond it is remarked on: loaders read it all the same.
void compare_with_index(Checkpoint& checkpoint, const nlohmann::json& weight_map,
                        const std::string& index) {
  for (const auto& [name, shard] : weight_map.items()) {
    const auto* tensor = checkpoint.find(name);
    const auto& wanted = shard.get_ref<const std::string&>();
    if (tensor == nullptr)
      fail("{}: the tensor '{}' is said to be in {}, which does not have it", index, name, wanted);
    if (file_name(checkpoint.files[tensor->file].path) != wanted)
      fail("{}: the tensor '{}' is said to be in {}, but is in {}", index, name, wanted,
           file_name(checkpoint.files[tensor->file].path));
  }
  std::vector<std::string_view> unlisted;
  for (const auto& t : checkpoint.tensors)
    if (!weight_map.contains(t.name)) unlisted.push_back(t.name);
  if (!unlisted.empty())
    checkpoint.remarks.push_back(
        fmt::format("{} tensors of the shards are not in the index, e.g. '{}'", unlisted.size(),
                    unlisted.front()));
}

void compare_total_size(Checkpoint& checkpoint, const nlohmann::json& index) {
  const auto metadata = index.find("metadata");
  if (metadata == index.end() || !metadata->is_object() || !metadata->contains("total_size"))
    return;
  const auto& stated = (*metadata)["total_size"];
  if (!stated.is_number()) return;
  Count bytes;
  for (const auto& t : checkpoint.tensors) bytes += t.bytes();
  if (stated.get<double>() != bytes.as_double())
    checkpoint.remarks.push_back(fmt::format(
        "the index states a total size of {} bytes; its tensors have {}", brief(stated), bytes));
}

// Names come from strangers: nothing outside the index's own folder is opened.
std::vector<std::string> shards_of(const nlohmann::json& weight_map, const std::string& index) {
  std::set<std::string> names;
  for (const auto& [tensor, shard] : weight_map.items()) {
    if (!shard.is_string())
      fail("{}: /weight_map/{}: expected the name of a file, got {}", index, tensor, brief(shard));
    names.insert(shard.get<std::string>());
  }
  std::vector<std::string> paths;
  for (const auto& name : names) {
    if (const auto foreign = foreign_format("", name); foreign) refuse(index, *foreign);
    if (name.empty() || name.find('/') != std::string::npos || name == "." || name == "..")
      fail("{}: /weight_map: '{}' is no name of a file beside the index", index, name);
    const auto path = beside(index, name);
    std::error_code code;
    if (!fs::exists(path, code))
      fail("{}: its shard {} is missing ({} of {} shards); fetch all of them", index, name,
           paths.size() + 1, names.size());
    paths.push_back(path);
  }
  return paths;
}

nlohmann::json index_of(const std::string& path) {
  auto index = parse_json(read_text(path, kMaxIndexBytes), path);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    fail("{}: expected an index of shards, an object with a \"weight_map\"", path);
  if (index["weight_map"].empty()) fail("{}: /weight_map: names no tensor", path);
  return index;
}

Checkpoint read_index(const std::string& path) {
  const auto index = index_of(path);
  const auto& weight_map = index["weight_map"];
  auto checkpoint = read_shards(path, shards_of(weight_map, path));
  compare_with_index(checkpoint, weight_map, path);
  compare_total_size(checkpoint, index);
  return checkpoint;
}

// All the .safetensors files of a folder, where they are the shards of one checkpoint.
std::vector<std::string> whole_set(const std::string& folder,
                                   const std::vector<std::string>& names) {
  const auto first = shard_name(names.front());
  std::vector<std::string> paths;
  for (const auto& name : names) {
    const auto shard = shard_name(name);
    if (!first || !shard || shard->base != first->base || shard->count != first->count)
      fail("{}: holds several checkpoints ({}{}); name one of them", folder,
           fmt::join(std::span(names).first(std::min<std::size_t>(3, names.size())), ", "),
           names.size() > 3 ? ", ..." : "");
    if (shard->number != paths.size() + 1)
      fail("{}: shard {} of {} of '{}' is missing", folder, paths.size() + 1, first->count,
           first->base);
    paths.push_back((fs::path(folder) / name).string());
  }
  if (paths.size() != first->count)
    fail("{}: only {} of the {} shards of '{}' are there", folder, paths.size(), first->count,
         first->base);
  return paths;
}

// The file that stands for the checkpoint of a folder with these .safetensors files: the model or
// its index. None: all of them together.
std::optional<std::string> main_file(const std::string& folder,
                                     const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), "model.safetensors") != names.end())
    return (fs::path(folder) / "model.safetensors").string();
  return index_in(folder);
}

Checkpoint read_folder(const std::string& folder) {
  const auto names = safetensors_in(folder);
  if (const auto file = main_file(folder, names)) return read_checkpoint(*file);
  if (names.empty()) fail("{}: holds neither a config.json nor a .safetensors file", folder);
  if (names.size() == 1 && !shard_name(names.front()))
    return read_file((fs::path(folder) / names.front()).string());
  return read_shards(folder, whole_set(folder, names));
}

}  // namespace

bool is_checkpoint(const std::string& path) {
  std::error_code code;
  if (fs::is_directory(path, code))
    return index_in(path).has_value() || !safetensors_in(path).empty();
  if (path.ends_with(kSuffix) || path.ends_with(kIndexSuffix)) return fs::exists(path, code);
  if (!fs::is_regular_file(path, code)) return false;
  if (is_gguf(path)) return true;
  if (is_pt2(path)) return false;        // a model with its graph
  if (is_onnx_file(path)) return false;  // a model of its own
  const RandomAccessFile file(path);
  const auto head = file.head(kHeadBytes);
  return looks_like_safetensors(head, file.size()) || foreign_format(head, path).has_value();
}

Checkpoint read_checkpoint(const std::string& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) return read_folder(path);
  if (path.ends_with(kIndexSuffix)) return read_index(path);
  if (is_gguf(path)) return read_gguf(path).checkpoint;
  return read_file(path);
}

std::vector<std::string> files_of_checkpoint(const std::string& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) {
    const auto names = safetensors_in(path);
    if (const auto file = main_file(path, names)) return files_of_checkpoint(*file);
    std::vector<std::string> files;
    for (const auto& name : names) files.push_back((fs::path(path) / name).string());
    return files;
  }
  if (is_gguf(path)) return files_of_gguf(path);
  std::vector<std::string> files = {path};
  if (!path.ends_with(kIndexSuffix)) return files;
  try {
    for (auto& shard : shards_of(index_of(path)["weight_map"], path))
      files.push_back(std::move(shard));
  } catch (const Error&) {
    // read_checkpoint refuses this index, and reads no shard of it.
  }
  return files;
}

std::optional<std::string> description_in(const std::string& folder) {
  std::error_code code;
  for (const auto* name : {"adapter_config.json", "config.json", "model_index.json", "params.json"})
    if (const auto file = fs::path(folder) / name; fs::is_regular_file(file, code))
      return file.string();
  return std::nullopt;
}

std::optional<std::string> config_beside(const std::string& checkpoint) {
  std::error_code code;
  const auto path = fs::is_directory(checkpoint, code)
                        ? (fs::path(checkpoint) / "config.json").string()
                        : beside(checkpoint, "config.json");
  return fs::is_regular_file(path, code) ? std::optional(path) : std::nullopt;
}

TensorReader::TensorReader(const Checkpoint& checkpoint)
    : files_(checkpoint.files), open_(checkpoint.files.size()) {}

void TensorReader::read(const StoredTensor& tensor, std::span<std::byte> out) {
  if (out.size() != tensor.bytes().value())
    fail("tensor '{}': has {} bytes, and {} were asked for", tensor.name, tensor.bytes(),
         out.size());
  read(tensor, 0, out);
}

void TensorReader::read(const StoredTensor& tensor, std::uint64_t offset,
                        std::span<std::byte> out) {
  const auto size = tensor.bytes().value();
  if (offset > size || out.size() > size - offset)
    fail("tensor '{}': bytes {} to {} are outside its {}", tensor.name, offset,
         Count(offset) + out.size(), size);
  auto& file = open_.at(tensor.file);
  const auto& known = files_.at(tensor.file);
  if (!file) {
    file.emplace(known.path);
    if (file->size() != known.bytes) fail("{}: has changed since its header was read", known.path);
  }
  file->read(tensor.begin + offset, out);
}

}  // namespace vitals
