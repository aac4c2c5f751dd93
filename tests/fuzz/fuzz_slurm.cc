// What Slurm's commands print, or something in their place: a job is read only from a line that is whole, and
// no text is taken for the end of one. `./dev fuzz slurm`.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "launch/slurm/answers.h"

namespace {

using namespace rekindle::launch::slurm;  // NOLINT: a fuzz target

void must(bool condition) {
  if (!condition) std::abort();
}

bool word(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; });
}

// "CANCELLED by 1000" is what the accounts say of who did it.
bool state(const std::string& text) {
  const std::string by = "CANCELLED by ";
  if (!text.starts_with(by)) return word(text);
  return text.size() > by.size() && std::all_of(text.begin() + static_cast<std::ptrdiff_t>(by.size()),
                                                text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto jobs = parse_listing(text);
  must(jobs.size() <= static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1);
  for (const Job& job : jobs) {
    must(job.number > 0 && word(job.state) && text.find(job.state) != std::string::npos);
    for (const std::string* field : {&job.reason, &job.nodes, &job.comment})
      must(field->find_first_of("|\n") == std::string::npos);
    const Stage stage = stage_of(job.state);
    must(stage != Stage::kOver || !verdict_of(job, true).message.empty());
    must(verdict_of(job, false).end != rekindle::v1::END_UNSPECIFIED);
    must((outlook_of(job.reason) == Outlook::kWait) == advice_on(job.reason).empty());
  }
  if (const auto number = parse_submission(text)) must(*number > 0);
  for (const std::string& said : {parse_details(text), parse_accounting(text)})
    must(said.empty() || state(said));
  const Refusal refusal = refusal_of(text);
  must(refusal.message.size() <= 300 && refusal.message.find('\n') == std::string::npos);
  must(refusal.kind == Refusal::kUnclear || !refusal.message.empty());
  return 0;
}
