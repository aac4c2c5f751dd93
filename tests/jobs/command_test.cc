// Jobs whose script is the user's own: what goes with what, and what a default is for them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "jobs/task.h"
#include "tests/jobs/builders.h"

namespace rekindle::jobs {
namespace {

using ::testing::HasSubstr;
using testing::kLeast;
using testing::with;

const std::string kScript =
    with("  model: linear\n",
         "  command: [python, train.py, \"$(id)\"]\n  code: .\n  env: {venv: lock.txt}\n") +
    "predict: {command: [python, predict.py]}\n";

std::string refusal(const std::string& yaml) {
  return parse_job(yaml, "s.yaml").status().message();
}

TEST(Command, WordsStayAsTheyAre) {
  const auto spec =
      parse_job(with("\"$(id)\"", "\"$(id)\", \"a'b\", \"two\\nlines\", \"-x\"", kScript), "s.yaml").value();
  EXPECT_EQ(std::vector<std::string>(spec.train().command().begin(), spec.train().command().end()),
            (std::vector<std::string>{"python", "train.py", "$(id)", "a'b", "two\nlines", "-x"}));
}

TEST(Command, AScriptIsGivenTimeBetweenSigns) {
  const Resolved script = resolve(parse_job(kScript, "s.yaml").value()).value();
  EXPECT_EQ(script.spec.train().limits().hang().seconds(), 600);
  EXPECT_EQ(script.spec.train().limits().hang_warm().seconds(), 600);
  for (const ResolvedField& field : script.fields)
    if (field.path == "train.limits.hang")
      EXPECT_EQ(field.value + ", " + field.reason, "10m, a script says how far it is when it likes");
  EXPECT_EQ(resolve(script.spec).value().spec.SerializeAsString(), script.spec.SerializeAsString());
  const auto said =
      parse_job(with("code: .", "code: .\n  limits: {hang: 5s, hang_warm: 6s}", kScript), "s.yaml").value();
  EXPECT_EQ(resolve(said).value().spec.train().limits().hang().seconds(), 5);
  EXPECT_EQ(resolve(said).value().spec.train().limits().hang_warm().seconds(), 6);
  EXPECT_EQ(resolve(testing::least()).value().spec.train().limits().hang_warm().seconds(), 15)
      << "built-in kinds";
}

TEST(Command, WhatGoesTogether) {
  EXPECT_EQ(refusal(kScript), "");
  EXPECT_EQ(refusal(with("env: {venv: lock.txt}", "env: {modules: {load: [gcc/12, cuda/13.0+x]}}", kScript)),
            "");
  EXPECT_EQ(refusal(with("env: {venv: lock.txt}", "env: {container: docker://a/b:1}", kScript)), "");
  EXPECT_EQ(refusal(with("command: [python, predict.py]", "package: model.pt2", kScript)), "");
  EXPECT_EQ(refusal(with("  code: .\n  env: {venv: lock.txt}\n", "", kScript)), "")
      << "a program of the host";
}

struct Case {
  std::string name, yaml, expected;
};
void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}
std::string script_with(const std::string& line) {
  return with("  code: .\n", "  code: .\n  " + line + "\n", kScript);
}
class Refusals : public ::testing::TestWithParam<Case> {};
TEST_P(Refusals, SayWhatToDo) {
  EXPECT_THAT(refusal(GetParam().yaml), HasSubstr(GetParam().expected));
}
INSTANTIATE_TEST_SUITE_P(
    Table, Refusals,
    ::testing::Values(
        Case{"both", script_with("model: linear"), "say one of model and command"},
        Case{"neither", with("  model: linear\n", "  batch: 8\n"), "say one of model and command"},
        Case{"no_predictor", with("predict: {command: [python, predict.py]}\n", "", kScript),
             "predict: {command: [python, predict.py]}"},
        Case{"two_predictors", with("[python, predict.py]", "[python, predict.py], package: a.pt2", kScript),
             "say one of command and package"},
        Case{"package_outside", with("command: [python, predict.py]", "package: ../a.pt2", kScript),
             "must be a file that the script writes"},
        Case{"predict_without_command", kLeast + "predict: {command: [a]}\n",
             "s.yaml:10:10: goes with train.command"},
        Case{"env_without_command", with("linear", "linear\n  env: {container: a}"),
             "goes with train.command"},
        Case{"code_without_command", with("linear", "linear\n  code: ."),
             "goes with train.command or the kind plugin"},
        Case{"code_by_hand", kScript + "code: {sha256: abc}\n", "s.yaml:13:7: filled in by `rekindle apply`"},
        Case{"absolute_code", with("code: .", "code: /srv/x", kScript), "relative to the spec's own folder"},
        Case{"lock_without_code", with("  code: .\n", "", kScript), "name it in train.code"},
        Case{"lock_outside", with("venv: lock.txt", "venv: ../lock.txt", kScript),
             "must be a file within train.code"},
        Case{"module_with_option", with("venv: lock.txt", "modules: {load: [\"--x\"]}", kScript),
             "'--x' is no module's name"},
        Case{"module_of_a_shell", with("venv: lock.txt", "modules: {load: [\"a; id\"]}", kScript),
             "'a; id' is no module's name"},
        Case{"no_modules", with("venv: lock.txt", "modules: {}", kScript), "load: [gcc/12, cuda/13]"},
        Case{"image_as_option", with("venv: lock.txt", "container: \"--writable\"", kScript),
             "'--writable' is no image"},
        Case{"no_program", with("command: [python, train.py, \"$(id)\"]", "command: [\"\"]", kScript),
             "an empty text says nothing"},
        Case{"optimizer", script_with("optimizer: sgd"), "a script decides this itself"},
        Case{"optimizer_inside", script_with("optimizer: {adamw: {rate: 0.1}}"),
             "s.yaml:11:14: the built-in trainer's"},
        Case{"batch", script_with("batch: 8"), "a script decides this itself"},
        Case{"stop", script_with("stop: {epochs: 3}"), "a script decides this itself"},
        Case{"precision", script_with("precision: bf16"), "a script decides this itself"},
        Case{"reduction", script_with("reduction: {kind: flat}"), "a script decides this itself"},
        Case{"start", script_with("start: champion"), "a script decides this itself"},
        Case{"candidates", script_with("candidates: [{start: champion}]"), "a script decides this itself"},
        Case{"deterministic", script_with("deterministic: false"), "a script decides this itself"},
        Case{"best", script_with("checkpoints: {best: false}"), "a script decides this itself"},
        Case{"digest", script_with("limits: {digest: 5}"), "a script decides this itself"}),
    [](const auto& info) { return info.param.name; });

const std::string kTask = "rekindle: 1\nname: report\ntrain:\n  command: [python, report.py]\n";

TEST(Task, ACommandWithoutDataIsOne) {
  EXPECT_EQ(refusal(kTask), "");
  const Resolved task = resolve(parse_job(kTask, "s.yaml").value()).value();
  EXPECT_TRUE(is_task(task.spec));
  for (const ResolvedField& field : task.fields)
    for (const std::string& unused : unused_by_tasks())
      EXPECT_FALSE(field.path == unused || field.path.starts_with(unused + ".")) << field.path;
  EXPECT_FALSE(task.spec.has_gate() || task.spec.has_serve() || task.spec.has_data());
  EXPECT_EQ(task.spec.train().limits().hang().seconds(), 600);
  EXPECT_EQ(task.spec.train().ranks().count(), 1u);
  EXPECT_EQ(resolve(task.spec).value().spec.SerializeAsString(), task.spec.SerializeAsString());
  EXPECT_TRUE(check(task.spec).ok());
  EXPECT_EQ(
      refusal(kTask + "  code: .\n  env: {venv: lock.txt}\n  ranks: {min: 1, max: 2}\n  limits: {attempt: "
                      "1h}\npool: gpu\npriority: 3\n"),
      "");
  EXPECT_FALSE(is_task(parse_job(kScript, "s.yaml").value()));
  EXPECT_FALSE(is_task(testing::least()));
}

INSTANTIATE_TEST_SUITE_P(
    OfTasks, Refusals,
    ::testing::Values(Case{"gate", kTask + "gate: {holdout: 1d}\n", "s.yaml:5:7: takes versions"},
                      Case{"serve", kTask + "serve: {canary: 5%}\n", "takes versions"},
                      Case{"retrain", kTask + "retrain: {when: [drift]}\n", "takes versions"},
                      Case{"rows", kTask + "  rows: {last: 5d}\n", "s.yaml:5:9: not for a plain task"},
                      Case{"default_rows", kTask + "  rows: {last: 365d}\n", "not for a plain task"},
                      Case{"task_batch", kTask + "  batch: 1024\n", "not for a plain task"},
                      Case{"task_best", kTask + "  checkpoints: {best: true}\n", "not for a plain task"},
                      Case{"predict_alone", kTask + "predict: {command: [a]}\n", "missing 'data'"},
                      Case{"neither_model", "rekindle: 1\nname: report\ntrain: {}\n", "missing 'data'"},
                      Case{"word", kTask + "waive: [train.nothing]\n", "is no field of a job spec"},
                      Case{"task_env", kTask + "  env: {venv: lock.txt}\n", "name it in train.code"}),
    [](const auto& info) { return info.param.name; });

TEST(Command, ASpecThatCameWithPackedCodeIsChecked) {
  v1::JobSpec spec = parse_job(kScript, "s.yaml").value();
  spec.mutable_code()->set_sha256("abc");
  EXPECT_THAT(check(spec).message(), HasSubstr("not a SHA-256"));
  spec.mutable_code()->set_sha256(std::string(64, 'a'));
  EXPECT_TRUE(check(spec).ok());
  const std::string hash = spec_sha256(resolve(spec).value().spec);
  spec.mutable_code()->set_dirty(true);
  EXPECT_NE(spec_sha256(resolve(spec).value().spec), hash);
}

}  // namespace
}  // namespace rekindle::jobs
