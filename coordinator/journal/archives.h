// Old events, moved out of journal.db into sealed files of their own: SQLite files beside it, read-only, each
// with its SHA-256 in the journal's table `archives`. An event is always in one of the two places, whenever
// the process or the machine stops: it leaves the journal only after the archive that holds it was fsynced
// and recorded.
//
// Owns the folder and that table. Not thread-safe: the journal's thread uses it.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <vector>

#include "coordinator/journal/event_rows.h"

namespace rekindle::coordinator {

struct Archive {
  uint64_t first = 0;  // events that it holds, without a gap
  uint64_t last = 0;
  std::string file;  // name in the folder
  std::string sha256;
  uint64_t bytes = 0;
};

// What the journal's table says, in order. data_loss where there is a gap.
Result<std::vector<Archive>> listed_archives(Sqlite& journal);

class Archives {
 public:
  // `events_each`: how many events an archive holds. The folder is made with the first one.
  Archives(Sqlite& journal, std::filesystem::path folder, uint64_t events_each)
      : journal_(journal), folder_(std::move(folder)), events_each_(events_each) {}
  // Reads the table; a file that is absent or cut is named in the log, and refused once it is asked for.
  Status open();

  uint64_t last() const { return known_.empty() ? 0 : known_.back().last; }  // newest archived event
  const std::vector<Archive>& known() const { return known_; }
  const std::filesystem::path& folder() const { return folder_; }

  // For `from_seq` up to last(); at most one file is looked into.
  Result<EventPage> about(const std::string& subject, uint64_t from_seq, uint32_t limit);
  // All from `from_seq` on to last().
  Status read(uint64_t from_seq, const std::function<Status(v1::Event)>& take);

  // A piece of moving the events up to `movable`: true while there is more to do.
  Result<bool> move(uint64_t movable);

 private:
  struct Making {
    Archive archive;
    std::filesystem::path temp;
    Sqlite db;
    EventInsert insert;
    uint64_t next = 0;  // event to be copied
    bool sealed = false;
  };
  Status begin();
  Status copy();
  Status seal();
  Status record();
  Result<bool> remove_moved();
  Result<Sqlite*> reader(const Archive& archive);

  Sqlite& journal_;
  std::filesystem::path folder_;
  uint64_t events_each_;
  std::vector<Archive> known_;
  std::optional<Making> making_;
  bool moved_left_ = true;  // the journal may still hold events that are archived
  std::set<std::string> verified_;
  std::string open_file_;
  Sqlite open_;
};

}  // namespace rekindle::coordinator
