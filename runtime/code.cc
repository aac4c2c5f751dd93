#include "runtime/code.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "artifacts/manifest.h"
#include "base/files/shared.h"
#include "base/ids.h"
#include "base/process.h"
#include "base/units.h"
#include "runtime/capture.h"

namespace rekindle::runtime {
namespace {

struct Closer {
  void operator()(archive* a) const { archive_free(a); }
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};
using Archive = std::unique_ptr<archive, Closer>;
using Entry = std::unique_ptr<archive_entry, Closer>;

Status too_much(const fs::path& folder, CodeLimits limits) {
  return invalid_argument(fmt::format(
      "the code folder {} holds more than {} files or {}: name a folder with the code alone, or keep "
      "data and results elsewhere",
      folder.string(), limits.files, format_bytes(limits.bytes)));
}

bool left_out(const fs::path& name) {
  return name == ".git" || name == "__pycache__";
}

// Files, links and folders below `folder`, relative to it.
Result<std::vector<std::string>> names_below(const fs::path& folder, CodeLimits limits) {
  std::vector<std::string> names;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (left_out(it->path().filename())) {
      it.disable_recursion_pending();
      continue;
    }
    names.push_back(it->path().lexically_relative(folder).string());
    if (names.size() > limits.files) return too_much(folder, limits);
  }
  if (error)
    return invalid_argument(
        fmt::format("the code folder {} cannot be read: {}", folder.string(), error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

bool inside(const fs::path& path) {
  const fs::path plain = path.lexically_normal();
  return !plain.empty() && !plain.is_absolute() && *plain.begin() != "..";
}

Result<std::string> link_target(const fs::path& folder, const fs::path& name) {
  std::error_code error;
  const fs::path target = fs::read_symlink(folder / name, error);
  if (error) return invalid_argument(fmt::format("{}: {}", name.string(), error.message()));
  const fs::path real = fs::weakly_canonical((folder / name).parent_path() / target, error);
  const bool stays = target.is_relative() && inside(name.parent_path() / target) && !error &&
                     inside(real.lexically_relative(fs::canonical(folder, error)));
  if (!stays)
    return invalid_argument(
        fmt::format("the link '{}' leaves the code folder, to {}: put the file itself there", name.string(),
                    target.string()));
  return target.string();
}

class Packer {
 public:
  Packer(const fs::path& folder, CodeLimits limits)
      : folder_(folder), limits_(limits), tar_(archive_write_new()) {
    // Names as bytes, of any length: the pax form would need a locale that can read them.
    archive_write_set_format_gnutar(tar_.get());
    archive_write_set_bytes_in_last_block(tar_.get(), 1);
    archive_write_open(tar_.get(), &bytes_, nullptr, &Packer::take, nullptr);
  }

  Status add(const std::string& name) {
    struct stat info {};
    if (::lstat((folder_ / name).c_str(), &info) != 0) return errno_status("reading", folder_ / name);
    const Entry entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_mtime(entry.get(), 0, 0);
    std::string content;
    if (S_ISDIR(info.st_mode)) {
      archive_entry_set_filetype(entry.get(), AE_IFDIR);
      archive_entry_set_perm(entry.get(), 0755);
    } else if (S_ISLNK(info.st_mode)) {
      archive_entry_set_filetype(entry.get(), AE_IFLNK);
      archive_entry_set_perm(entry.get(), 0777);
      archive_entry_set_symlink(entry.get(), TRY(link_target(folder_, name)).c_str());
    } else if (S_ISREG(info.st_mode)) {
      if (static_cast<uint64_t>(info.st_size) + total_ > limits_.bytes) return too_much(folder_, limits_);
      content = TRY(read_file(folder_ / name, limits_.bytes));
      total_ += content.size();
      archive_entry_set_filetype(entry.get(), AE_IFREG);
      archive_entry_set_perm(entry.get(), (info.st_mode & S_IXUSR) != 0 ? 0755 : 0644);
      archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
    } else {
      return invalid_argument(fmt::format("'{}' in the code folder is neither file, folder nor link", name));
    }
    if (archive_write_header(tar_.get(), entry.get()) != ARCHIVE_OK ||
        archive_write_data(tar_.get(), content.data(), content.size()) !=
            static_cast<la_ssize_t>(content.size()))
      return invalid_argument(
          fmt::format("'{}' cannot be packed: {}", name, archive_error_string(tar_.get())));
    return ok_status();
  }

  Result<std::string> finish() {
    if (archive_write_close(tar_.get()) != ARCHIVE_OK)
      return internal_error(
          fmt::format("packing {}: {}", folder_.string(), archive_error_string(tar_.get())));
    return std::move(bytes_);
  }

 private:
  static la_ssize_t take(archive*, void* to, const void* data, size_t size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), size);
    return static_cast<la_ssize_t>(size);
  }

  const fs::path& folder_;
  const CodeLimits limits_;
  std::string bytes_;
  Archive tar_;
  uint64_t total_ = 0;
};

Status write_new_file(const fs::path& path, std::string_view content, int mode) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd.valid()) return errno_status("writing", path);
  TRY_STATUS(write_all(fd.get(), content, path));
  if (::fchmod(fd.get(), static_cast<mode_t>(mode)) != 0) return errno_status("writing", path);
  return ok_status();
}

Result<std::string> entry_bytes(archive* tar, archive_entry* entry) {
  const la_int64_t size = archive_entry_size(entry);
  if (size < 0 || static_cast<uint64_t>(size) > CodeLimits().bytes)
    return data_loss("a file of impossible size");
  std::string out(static_cast<size_t>(size), '\0');
  size_t have = 0;
  while (have < out.size()) {
    const la_ssize_t n = archive_read_data(tar, out.data() + have, out.size() - have);
    if (n <= 0) return data_loss("it ends in the middle of a file");
    have += static_cast<size_t>(n);
  }
  return out;
}

// One entry into `folder`; parents must be folders that were unpacked before, so that no link is followed.
Status unpack_entry(archive* tar, archive_entry* entry, const fs::path& folder, std::set<fs::path>& folders) {
  const char* raw = archive_entry_pathname(entry);
  const fs::path name = fs::path(raw == nullptr ? "" : raw).lexically_normal();
  const fs::path plain = name.filename().empty() ? name.parent_path() : name;  // "a/" is the folder a
  if (!inside(plain) || plain == ".")
    return data_loss(fmt::format("'{}' would leave the folder", name.string()));
  if (plain.has_parent_path() && !folders.contains(plain.parent_path()))
    return data_loss(fmt::format("'{}' comes before its folder", name.string()));
  const fs::path path = folder / plain;
  switch (archive_entry_filetype(entry)) {
    case AE_IFDIR:
      if (::mkdir(path.c_str(), 0755) != 0) return errno_status("making", path);
      folders.insert(plain);
      return ok_status();
    case AE_IFREG:
      return write_new_file(path, TRY(entry_bytes(tar, entry)),
                            (archive_entry_perm(entry) & 0100) != 0 ? 0555 : 0444);
    case AE_IFLNK: {
      const fs::path target = archive_entry_symlink(entry);
      if (target.is_absolute() || !inside(plain.parent_path() / target))
        return data_loss(fmt::format("the link '{}' would leave the folder", plain.string()));
      if (::symlink(target.c_str(), path.c_str()) != 0) return errno_status("making", path);
      return ok_status();
    }
    default:
      return data_loss(fmt::format("'{}' is neither file, folder nor link", plain.string()));
  }
}

Status unpack_all(std::string_view bytes, const fs::path& folder) {
  const Archive tar(archive_read_new());
  archive_read_support_format_tar(tar.get());
  if (archive_read_open_memory(tar.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    return data_loss(fmt::format("it is no tar: {}", archive_error_string(tar.get())));
  std::set<fs::path> folders;
  for (size_t entries = 0;; ++entries) {
    archive_entry* entry = nullptr;
    const int got = archive_read_next_header(tar.get(), &entry);
    if (got == ARCHIVE_EOF) break;
    if (got != ARCHIVE_OK)
      return data_loss(fmt::format("it is damaged: {}", archive_error_string(tar.get())));
    if (entries == CodeLimits().files) return data_loss("it holds too many files");
    TRY_STATUS(unpack_entry(tar.get(), entry, folder, folders));
  }
  for (const fs::path& below : folders) ::chmod((folder / below).c_str(), 0555);
  return ok_status();
}

// `fill` works in a temporary folder that becomes `folder` when it has succeeded.
Status make_whole(const fs::path& folder, const std::function<Status(const fs::path&)>& fill) {
  const fs::path temp = fmt::format("{}.{}.tmp", folder.string(), random_hex(8));
  std::error_code error;
  fs::create_directories(temp, error);
  if (error) return Status(Code::kUnavailable, fmt::format("making {}: {}", temp.string(), error.message()));
  Status filled = fill(temp);
  ::chmod(temp.c_str(), 0555);
  if (filled.ok()) {
    filled = rename_path(temp, folder);
    // Somebody else made the same folder in the meantime: as good as ours.
    if (!filled.ok() && fs::is_directory(folder, error)) filled = ok_status();
  }
  remove_folder(temp);
  return filled;
}

}  // namespace

Result<std::string> pack_code(const fs::path& folder, CodeLimits limits) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    return not_found(fmt::format("there is no code folder {}", folder.string()));
  Packer packer(folder, limits);
  for (const std::string& name : TRY(names_below(folder, limits))) TRY_STATUS(packer.add(name));
  return packer.finish();
}

void record_commit(const fs::path& folder, v1::Code& code) {
  const std::vector<std::string> environment = bare_environment();
  const auto git = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "git");
    return capture(words, environment, folder);
  };
  const Result<Captured> commit = git({"log", "-1", "--format=%H", "--", "."});
  if (!commit.ok() || commit->code != 0) return;
  const Result<Captured> status = git({"status", "--porcelain", "--", "."});
  std::string hash = commit->tail;
  while (!hash.empty() && hash.back() == '\n') hash.pop_back();
  code.set_commit(hash.size() <= 64 ? hash : std::string());
  code.set_dirty(!status.ok() || status->code != 0 || !status->tail.empty());
}

Status unpack_code(std::string_view tar, const fs::path& folder) {
  return make_whole(folder, [tar](const fs::path& temp) { return unpack_all(tar, temp); });
}

Status prepare_code(const artifacts::Store& store, const v1::Code& code, const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return ok_status();
  if (code.sha256().empty()) return make_whole(folder, [](const fs::path&) { return ok_status(); });
  const Result<std::string> tar = store.get(code.sha256(), 2 * CodeLimits().bytes);
  if (!tar.ok()) return tar.status().within("the job's code");
  return unpack_code(*tar, folder).within("the job's code, " + code.sha256().substr(0, 12));
}

Status prepare_version(const artifacts::Store& store, const v1::Manifest& manifest, const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return ok_status();
  return make_whole(folder, [&](const fs::path& temp) -> Status {
    for (const v1::ManifestFile& file : manifest.files()) {
      if (!file.name().starts_with(kOutPrefix)) continue;
      const fs::path from = TRY(artifacts::file_path(store, manifest, file.name()));
      const fs::path to = temp / file.name().substr(kOutPrefix.size());
      std::error_code failed;
      fs::create_directories(to.parent_path(), failed);
      if (!failed) fs::copy_file(from, to, failed);
      if (failed)
        return Status(Code::kUnavailable,
                      fmt::format("copying {} to {}: {}", file.name(), to.string(), failed.message()));
    }
    return ok_status();
  });
}

void remove_folder(const fs::path& folder) {
  std::error_code ignored;
  if (fs::is_symlink(folder, ignored) || !fs::is_directory(folder, ignored)) return;
  if (fs::remove_all(folder, ignored) != static_cast<std::uintmax_t>(-1)) return;
  // Something in a folder that may not be written, as code is unpacked.
  ::chmod(folder.c_str(), 0755);
  for (fs::recursive_directory_iterator it(folder, ignored); it != fs::recursive_directory_iterator();
       it.increment(ignored)) {
    if (it->is_directory(ignored) && !it->is_symlink(ignored)) ::chmod(it->path().c_str(), 0755);
  }
  fs::remove_all(folder, ignored);
}

}  // namespace rekindle::runtime
