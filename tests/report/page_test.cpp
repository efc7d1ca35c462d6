// The HTML report as text; that it works in a browser is tested in one (tools/dev check page).
#include "report/page/html.h"
#include "support/json.h"
#include "support/run.h"

#include <doctest/doctest.h>

using namespace vitals;
using nlohmann::json;

namespace {

json data_of(const std::string& page) {
  const std::string begin = R"(<script type="application/json" id="data">)";
  const auto at = page.find(begin) + begin.size();
  return test::parsed(page.substr(at, page.find("</script>", at) - at));
}

json answer(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--format", "json"});
  return test::parsed(test::run(arguments).out);
}

}  // namespace

TEST_CASE("the page carries the very answers of the other commands") {
  const auto page = test::run({"report", "vit_tiny_patch16_224", "--batch", "8"}).out;
  const auto model = data_of(page)["models"][0];
  CHECK(model["summary"] == answer({"summary", "vit_tiny_patch16_224"}));
  CHECK(model["flops"] == answer({"flops", "vit_tiny_patch16_224"}));
  CHECK(model["memory"] == answer({"memory", "vit_tiny_patch16_224", "--batch", "8"}));
  CHECK(model["inference"] ==
        answer({"memory", "vit_tiny_patch16_224", "--batch", "8", "--mode", "inference"}));
  CHECK(model["spec"] == test::parsed(test::run({"spec", "vit_tiny_patch16_224"}).out));
}

TEST_CASE("several models stand on one page, each in its section") {
  const auto page = test::run({"report", "vit_tiny_patch16_224", "deit_tiny_patch16_224"}).out;
  CHECK(data_of(page)["models"].size() == 2);
  CHECK(page.find("<section id=\"model-1\">") != std::string::npos);
  CHECK(page.find("Side by side") != std::string::npos);
}

TEST_CASE("a name cannot break out of the page") {
  const std::string evil = "</script><script>alert(1)</script><b a=\"&\">";
  const auto page = test::run({"report", "vit_tiny_patch16_224", "--set", "name=" + evil}).out;
  CHECK(page.find("alert(1)</script>") == std::string::npos);
  CHECK(page.find("<b a=") == std::string::npos);
  CHECK(data_of(page)["models"][0]["model"] == evil);
}

TEST_CASE("text and tables are escaped") {
  CHECK(html_text("a<b>&\"c\"") == "a&lt;b&gt;&amp;&quot;c&quot;");
  CHECK(json_in_script(R"({"a":"</script>"})") == R"({"a":"\u003c/script>"})");
  const Table table{{{"n<m"}, {"x", true}}, {{"a&b", "1"}}, {"a note"}};
  const auto text = to_html(table, {"id", "what", true, false});
  CHECK(text.find("<th scope=\"col\">n&lt;m</th><th scope=\"col\" class=\"right\">x</th>") !=
        std::string::npos);
  CHECK(text.find("<td>a&amp;b</td><td class=\"right\">1</td>") != std::string::npos);
  CHECK(text.find("<caption>what</caption>") != std::string::npos);
  CHECK(text.find("a note") != std::string::npos);
}
