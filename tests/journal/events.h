// Events for the journal's tests, and a folder that goes when they are over.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "coordinator/journal/journal.h"

namespace rekindle::coordinator {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/rekindle-archives-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::filesystem::path file() const { return path_ / "journal.db"; }

 private:
  std::filesystem::path path_;
};

// Any number gives one event, so that what comes back can be compared: a run of one of two jobs.
inline v1::Event event_of(uint64_t seq) {
  v1::Event event;
  event.set_seq(seq);
  event.set_time_us(1'000 + static_cast<int64_t>(seq));
  event.set_actor("operator");
  v1::Run& run = *event.mutable_run_queued();
  run.set_job(seq % 3 == 0 ? "a" : "b");
  run.set_id(run.job() + "-" + std::to_string(seq));
  run.set_state(v1::QUEUED);
  run.set_queued_us(event.time_us());
  run.set_reason(std::string(seq * 37 % 900, 'x'));
  return event;
}

// All events from the first on, in order and unchanged, wherever they lie: how many.
inline Result<uint64_t> count_told(Journal& journal) {
  uint64_t found = 0;
  for (const char* job : {"a", "b"}) {
    for (uint64_t from = 1;;) {
      const std::vector<v1::Event> page = TRY(journal.about(job, from, 7));
      for (const v1::Event& event : page)
        if (event.seq() < from || event.SerializeAsString() != event_of(event.seq()).SerializeAsString())
          return data_loss("event " + std::to_string(event.seq()) + " is told wrongly");
        else
          from = event.seq() + 1;
      found += page.size();
      if (page.size() < 7) break;
    }
  }
  return found;
}

}  // namespace rekindle::coordinator
