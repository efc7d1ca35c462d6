#include "program.h"

#include "command.h"
#include "core/error.h"
#include "machine.h"
#include "streams.h"
#include "terminal.h"
#include "version.h"

#include <exception>
#include <new>

namespace vitals::cli {

std::unique_ptr<Program> make_program() {
  auto program = std::make_unique<Program>();
  auto& p = *program;
  p.name = "vitals";
  p.doc = "The vital signs of a transformer, from its description alone.";
  p.version = version_report();
  p.width = reading_width();
  p.config = config_file();
  p.commands = {summary_command(), flops_command(), memory_command()};
  for (auto& command : machine_commands()) p.commands.push_back(std::move(command));
  for (auto& command :
       {predict_command(), plan_command(), sweep_command(), report_command(), compare_command(),
        rules_command(), list_command(), list_ops_command(), devices_command(), spec_command(),
        completions_command(p), manual_command(p)})
    p.commands.push_back(command);
  p.examples = {"vitals summary vit_base_patch32",
                "vitals summary vit_base_patch16_224 --style tree --depth 2",
                "vitals memory vit_base_patch16_224 --batch 64",
                "vitals bench vit_base_patch32",
                "vitals predict vit_base_patch16_224 --device rtx4090 --batch 256",
                "vitals report vit_base_patch16_224 -o report.html",
                "vitals summary my_vit.json --num-classes 10 --format json",
                "vitals list 'deit*'"};
  return program;
}

int run_program(int argc, char** argv) {
  try {
    return run(*make_program(), argc, argv);
  } catch (const ConditionFailed& error) {
    tell(error.what());
    return 3;
  } catch (const Error& error) {
    tell(error.what());
    return 1;
  } catch (const std::bad_alloc&) {
    write_err("vitals: out of memory\n");  // allocates nothing
    return 1;
  } catch (const std::exception& error) {  // what the system refuses, such as another thread
    tell(error.what());
    return 1;
  }
}

ProgramAnswer answer_of(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"vitals"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  forget_model_notes();
  const CapturedStreams streams;
  ProgramAnswer answer;
  answer.exit_code = run_program(static_cast<int>(words.size()), argv.data());
  answer.out = streams.out();
  answer.err = streams.err();
  return answer;
}

}  // namespace vitals::cli
