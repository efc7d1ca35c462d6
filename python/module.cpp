// The Python module vitals._vitals: the program's commands in this process. What Python sees of
// them is python/vitals/__init__.py.
#include "program.h"
#include "version.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <tuple>
#include <vector>

PYBIND11_MODULE(_vitals, m) {
  m.doc() = "The commands of vitals in this process.";
  m.def(
      "run",
      [](const std::vector<std::string>& arguments) {
        const auto answer = vitals::cli::answer_of(arguments);
        return std::make_tuple(answer.exit_code, pybind11::bytes(answer.out),
                               pybind11::bytes(answer.err));
      },
      pybind11::arg("arguments"),
      "Runs the command line `vitals ARGUMENTS`: (exit code, standard output, standard error).");
}
