// Python's pickle format, protocol 2, as far as plain data needs it: dictionaries, lists, texts and
// whole numbers (Lib/pickletools.py). Knows no meaning.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace vitals {

class PickleWriter {
 public:
  PickleWriter() { out_ = "\x80\x02"; }

  PickleWriter& text(std::string_view value);  // UTF-8
  PickleWriter& number(std::uint64_t value);
  // What is written between begin and end: values of a list; keys and values of a dictionary.
  PickleWriter& begin_list() { return bytes("]("); }
  PickleWriter& end_list() { return bytes("e"); }
  PickleWriter& begin_dict() { return bytes("}("); }
  PickleWriter& end_dict() { return bytes("u"); }

  // The whole file; nothing may be written afterwards.
  [[nodiscard]] std::string finished() && {
    out_ += '.';
    return std::move(out_);
  }

 private:
  PickleWriter& bytes(std::string_view more) {
    out_ += more;
    return *this;
  }
  void little_endian(std::uint64_t value, int count);

  std::string out_;
};

}  // namespace vitals
