// A journal of every released schema, kept for ever under fixtures/: each opens, is brought up to date and
// gives the state that its file records. REKINDLE_REGENERATE=1 writes the present schema's file anew; those
// of older ones are never written again.
//
// A fixture holds every kind of event with every field set, from a seed: whatever a program of that schema
// may have written.
#include <gtest/gtest.h>

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <cstdlib>
#include <random>

#include "base/files.h"
#include "base/hash.h"
#include "coordinator/journal/sqlite.h"
#include "coordinator/journal/sqlite_journal.h"
#include "core/apply.h"
#include "tests/journal/events.h"

namespace rekindle::coordinator {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

fs::path fixtures() {
  return "tests/journal/fixtures";  // tests run in the root of the sources
}

// --- What a fixture tells

class Filler {
 public:
  explicit Filler(uint64_t seed) : random_(seed) {}

  void fill(Message& message, int depth = 0) {
    const auto* reflection = message.GetReflection();
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor* field = message.GetDescriptor()->field(i);
      if (field->is_map()) continue;  // kept by apply alone
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        if (depth == kDepthMost) continue;
        Message* part = field->is_repeated() ? reflection->AddMessage(&message, field)
                                             : reflection->MutableMessage(&message, field);
        fill(*part, depth + 1);
      } else {
        set(message, *reflection, field);
      }
    }
  }

 private:
  static constexpr int kDepthMost = 5;

  void set(Message& message, const google::protobuf::Reflection& to, const FieldDescriptor* field) {
    const auto number = static_cast<int32_t>(1 + random_() % 1'000);
    const bool many = field->is_repeated();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return many ? to.AddInt32(&message, field, number) : to.SetInt32(&message, field, number);
      case FieldDescriptor::CPPTYPE_INT64:
        return many ? to.AddInt64(&message, field, number) : to.SetInt64(&message, field, number);
      case FieldDescriptor::CPPTYPE_UINT32:
        return many ? to.AddUInt32(&message, field, static_cast<uint32_t>(number))
                    : to.SetUInt32(&message, field, static_cast<uint32_t>(number));
      case FieldDescriptor::CPPTYPE_UINT64:
        return many ? to.AddUInt64(&message, field, static_cast<uint64_t>(number))
                    : to.SetUInt64(&message, field, static_cast<uint64_t>(number));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return many ? to.AddDouble(&message, field, number / 8.0)
                    : to.SetDouble(&message, field, number / 8.0);
      case FieldDescriptor::CPPTYPE_FLOAT:
        return many ? to.AddFloat(&message, field, static_cast<float>(number))
                    : to.SetFloat(&message, field, static_cast<float>(number));
      case FieldDescriptor::CPPTYPE_BOOL:
        return many ? to.AddBool(&message, field, true) : to.SetBool(&message, field, true);
      case FieldDescriptor::CPPTYPE_ENUM: {
        const int value = field->enum_type()->value(number % field->enum_type()->value_count())->number();
        return many ? to.AddEnumValue(&message, field, value) : to.SetEnumValue(&message, field, value);
      }
      default: {
        std::string text = fmt::format("{}-{}", field->name(), number);
        return many ? to.AddString(&message, field, text) : to.SetString(&message, field, text);
      }
    }
  }

  std::mt19937_64 random_;
};

// Two runs of one model from their beginning to an end, and everything else that an event can tell.
std::vector<v1::Event> all_kinds() {
  std::vector<v1::Event> out;
  const auto* what = v1::Event::descriptor()->FindOneofByName("what");
  for (int round = 1; round <= 2; ++round) {
    for (int i = 0; i < what->field_count(); ++i) {
      const FieldDescriptor* field = what->field(i);
      Filler filler(static_cast<uint64_t>(round * 100 + field->number()));
      v1::Event& event = out.emplace_back();
      event.set_seq(out.size());
      event.set_time_us(1'000'000 * static_cast<int64_t>(out.size()));
      event.set_actor("operator");
      Message* told = event.GetReflection()->MutableMessage(&event, field);
      filler.fill(*told);
      // All of one model and of the run of this round.
      const std::string run = fmt::format("late-{}", round);
      const auto name = [&](const char* field_name, const std::string& value) {
        const FieldDescriptor* named = told->GetDescriptor()->FindFieldByName(field_name);
        if (named != nullptr && named->cpp_type() == FieldDescriptor::CPPTYPE_STRING && !named->is_repeated())
          told->GetReflection()->SetString(told, named, value);
      };
      name("model", "late");
      name("run", run);
      if (event.has_job_applied()) event.mutable_job_applied()->set_name("late");
      if (event.has_window_judged()) event.mutable_window_judged()->mutable_window()->set_model("late");
      if (event.has_run_queued()) {
        event.mutable_run_queued()->set_id(run);
        event.mutable_run_queued()->set_job("late");
        event.mutable_run_queued()->set_state(v1::QUEUED);
      }
      if (event.has_run_ended()) event.mutable_run_ended()->set_state(v1::REJECTED);
      if (event.has_run_judged()) event.mutable_run_judged()->mutable_verdict()->set_kind(v1::Verdict::HOLD);
      if (event.has_version_published())
        event.mutable_version_published()->set_number(static_cast<uint64_t>(round));
    }
  }
  return out;
}

core::State replayed(const std::vector<v1::Event>& events) {
  core::State state;
  for (const v1::Event& event : events) core::apply(state, event);
  return state;
}

std::string digest(const core::State& state) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    core::to_snapshot(state).SerializeToCodedStream(&out);
  }
  return sha256_hex(bytes);
}

// --- Files of SQL text

// The tables as they are, row by row.
std::string dump(Sqlite& db) {
  std::string out =
      fmt::format("PRAGMA application_id={};\nPRAGMA user_version={};\n",
                  db.integer("PRAGMA application_id").value(), db.integer("PRAGMA user_version").value());
  Statement tables =
      db.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid").value();
  std::vector<std::string> names;
  while (tables.step().value()) {
    out += tables.text(1) + ";\n";
    if (tables.text(1).starts_with("CREATE TABLE")) names.push_back(tables.text(0));
  }
  for (const std::string& name : names) {
    std::string columns;
    Statement info = db.prepare("SELECT name FROM pragma_table_info('" + name + "')").value();
    while (info.step().value())
      columns += fmt::format("{}quote(\"{}\")", columns.empty() ? "" : " || ',' || ", info.text(0));
    Statement rows = db.prepare(fmt::format("SELECT {} FROM \"{}\"", columns, name)).value();
    while (rows.step().value()) out += fmt::format("INSERT INTO {} VALUES({});\n", name, rows.text(0));
  }
  return out;
}

constexpr std::string_view kDigestLine = "-- state ";

void write_fixture(const fs::path& to) {
  Folder folder;
  const std::vector<v1::Event> events = all_kinds();
  const size_t half = events.size() / 2;
  {
    auto journal = open_sqlite_journal(folder.file()).value();
    ASSERT_TRUE(journal->append({events.data(), half}).ok());
    const std::vector<v1::Event> before(events.begin(), events.begin() + static_cast<ptrdiff_t>(half));
    ASSERT_TRUE(journal->save_snapshot(core::to_snapshot(replayed(before))).ok());
    ASSERT_TRUE(journal->append({events.data() + half, events.size() - half}).ok());
  }
  Sqlite db = Sqlite::open(folder.file()).value();
  const std::string text = fmt::format("{}{}\n{}", kDigestLine, digest(replayed(events)), dump(db));
  fs::create_directories(to.parent_path());
  ASSERT_TRUE(write_file_durably(to, text, 0644).ok());
}

// The state that a journal made of this text gives, from its snapshot and without it.
void expect_state(const std::string& text, const std::string& what) {
  const std::string recorded = text.substr(kDigestLine.size(), 64);
  for (const bool snapshot : {true, false}) {
    Folder folder;
    {
      Sqlite db = Sqlite::open(folder.file()).value();
      ASSERT_TRUE(db.execute(text.c_str()).ok()) << what;
      if (!snapshot) {
        ASSERT_TRUE(db.execute("DELETE FROM snapshots").ok());
      }
    }
    auto journal = open_sqlite_journal(folder.file());
    ASSERT_TRUE(journal.ok()) << what << ": " << journal.status().to_string();
    auto loaded = (*journal)->load();
    ASSERT_TRUE(loaded.ok()) << what << ": " << loaded.status().to_string();
    ASSERT_EQ(loaded->snapshot.has_value(), snapshot) << what;
    core::State state = snapshot ? core::from_snapshot(*loaded->snapshot) : core::State();
    for (const v1::Event& event : loaded->events) core::apply(state, event);
    EXPECT_EQ(digest(state), recorded) << what << (snapshot ? " from its snapshot" : " from its first event");
    EXPECT_EQ((*journal)->runs(10)->size(), 2u) << what;
    EXPECT_GT((*journal)->about("late", 1, 100)->size(), 20u) << what;
  }
}

TEST(Schemas, EveryReleasedOneReplays) {
  int64_t present = 0;
  {
    Folder folder;
    open_sqlite_journal(folder.file()).value();
    present = Sqlite::open(folder.file())->integer("PRAGMA user_version").value();
  }
  if (std::getenv("REKINDLE_REGENERATE") != nullptr)
    write_fixture(fixtures() / fmt::format("schema-{}.sql", present));
  for (int64_t schema = 1; schema <= present; ++schema) {
    const fs::path file = fixtures() / fmt::format("schema-{}.sql", schema);
    ASSERT_TRUE(fs::exists(file)) << file << ": every schema has its fixture; REKINDLE_REGENERATE=1 makes it";
    expect_state(read_file(file).value(), file.filename().string());
  }
}

TEST(Schemas, ANewerOneIsRefusedWithWhatToDo) {
  Folder folder;
  open_sqlite_journal(folder.file()).value();
  ASSERT_TRUE(Sqlite::open(folder.file())->execute("PRAGMA user_version=99").ok());
  auto newer = open_sqlite_journal(folder.file());
  ASSERT_FALSE(newer.ok());
  EXPECT_EQ(newer.status().code(), Code::kFailedPrecondition);
  for (const char* part : {"newer rekindle (schema 99", "start that version, or restore an older copy"})
    EXPECT_NE(newer.status().message().find(part), std::string::npos) << newer.status().message();
}

}  // namespace
}  // namespace rekindle::coordinator
