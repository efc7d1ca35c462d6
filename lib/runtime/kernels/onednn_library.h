// oneDNN opened at run time: a program that never asks for it pays nothing, and runs without it.
// Knows how to find the library and its functions; must not know what is computed with them.
#pragma once

#include <memory>
#include <string>

namespace vitals {

struct OnednnApi;  // onednn_api.h, for those who call the library

class OnednnLibrary {
 public:
  // Throws std::runtime_error when the library is missing, too old, or lacks a function.
  OnednnLibrary();
  ~OnednnLibrary();
  OnednnLibrary(const OnednnLibrary&) = delete;
  OnednnLibrary& operator=(const OnednnLibrary&) = delete;

  std::string version() const;
  const OnednnApi& api() const { return *api_; }

 private:
  std::unique_ptr<OnednnApi> api_;
};

}  // namespace vitals
