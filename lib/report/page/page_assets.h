// The files that the page is made of, embedded when vitals is built.
#pragma once

#include <string_view>

namespace vitals {

[[nodiscard]] std::string_view page_css();
[[nodiscard]] std::string_view page_js();
// Chart.js, or nothing where the build did not find it.
[[nodiscard]] std::string_view chart_js();

}  // namespace vitals
