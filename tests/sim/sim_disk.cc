#include "sim/sim_disk.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ringpost::sim {

SimDisk::SimDisk(Random& random) : random_(random) {
  entries_["/"] = std::make_shared<SimFile>(files_made_++, true);
  durable_ = entries_;
}

std::string SimDisk::directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

FilePointer SimDisk::find(const std::string& path) const {
  const auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : found->second;
}

void SimDisk::apply(const Change& change, Entries& entries) {
  if (!change.removed.empty()) {
    entries.erase(change.removed);
  }
  if (!change.added.empty()) {
    entries[change.added] = change.file;
  }
}

void SimDisk::record(std::string removed, std::string added, FilePointer file) {
  pending_.push_back({++changes_, std::move(removed), std::move(added), std::move(file)});
  apply(pending_.back(), entries_);
}

FilePointer SimDisk::make(const std::string& path, bool directory) {
  auto file = std::make_shared<SimFile>(files_made_++, directory);
  record({}, path, file);
  return file;
}

int SimDisk::open(const std::string& path, int flags, FilePointer& file) {
  if ((flags & O_DIRECT) != 0 && faults.refuses_direct) {
    return -EINVAL;
  }
  file = find(path);
  if (file == nullptr) {
    const FilePointer parent = find(directory_of(path));
    if ((flags & O_CREAT) == 0 || parent == nullptr) {
      return -ENOENT;
    }
    if (!parent->is_directory()) {
      return -ENOTDIR;
    }
    file = make(path, false);
    return 0;
  }
  if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) {
    return -EEXIST;
  }
  if ((flags & O_DIRECTORY) != 0 && !file->is_directory()) {
    return -ENOTDIR;
  }
  if (file->is_directory() && (flags & O_ACCMODE) != O_RDONLY) {
    return -EISDIR;
  }
  if ((flags & O_TRUNC) != 0) {
    file->resize(0);
  }
  return 0;
}

int SimDisk::make_directory(const std::string& path) {
  if (path.empty() || path.front() != '/') {
    return -EINVAL;
  }
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    const FilePointer existing = find(part);
    if (existing == nullptr) {
      make(part, true);
    } else if (!existing->is_directory()) {
      return -ENOTDIR;
    }
    if (at == std::string::npos) {
      return 0;
    }
  }
}

int SimDisk::list(const std::string& path, std::vector<std::string>& names) const {
  const FilePointer directory = find(path);
  if (directory == nullptr) {
    return -ENOENT;
  }
  if (!directory->is_directory()) {
    return -ENOTDIR;
  }
  for (const auto& [name, file] : entries_) {
    if (name != "/" && directory_of(name) == path) {
      names.push_back(name.substr(path == "/" ? 1 : path.size() + 1));
    }
  }
  return 0;
}

int SimDisk::rename(const std::string& from, const std::string& to) {
  const FilePointer file = find(from);
  if (file == nullptr || find(directory_of(to)) == nullptr) {
    return -ENOENT;
  }
  if (from != to) {
    record(from, to, file);
  }
  return 0;
}

int SimDisk::unlink(const std::string& path) {
  const FilePointer file = find(path);
  if (file == nullptr) {
    return -ENOENT;
  }
  if (file->is_directory()) {
    return -EISDIR;
  }
  record(path, {}, nullptr);
  return 0;
}

std::uint64_t SimDisk::free_space() const {
  std::uint64_t used = 0;
  for (const auto& [path, file] : entries_) {
    used += file->bytes().size();
  }
  return faults.capacity - std::min(used, faults.capacity);
}

int SimDisk::may_grow(const SimFile& file, std::uint64_t size) const {
  const std::uint64_t has = file.bytes().size();
  return size <= has || size - has <= free_space() ? 0 : -ENOSPC;
}

bool SimDisk::concerns(const Change& change, const SimFile& directory) const {
  for (const std::string* path : {&change.removed, &change.added}) {
    if (!path->empty() && find(directory_of(*path)).get() == &directory) {
      return true;
    }
  }
  return false;
}

void SimDisk::sync_directory(const SimFile& directory, std::uint64_t up_to) {
  std::erase_if(pending_, [&](const Change& change) {
    if (change.number > up_to || !concerns(change, directory)) {
      return false;
    }
    apply(change, durable_);
    return true;
  });
}

void SimDisk::power_cut() {
  for (const Change& change : std::exchange(pending_, {})) {
    const bool was_there = change.removed.empty() || durable_.contains(change.removed);
    if (was_there && random_.below(2) == 0) {
      apply(change, durable_);
    }
  }
  // What lay in a directory that is lost is lost with it; parents sort before their children.
  for (auto at = durable_.begin(); at != durable_.end();) {
    at = durable_.contains(directory_of(at->first)) ? std::next(at) : durable_.erase(at);
  }
  entries_ = durable_;
  for (const auto& [path, file] : entries_) {
    file->locked = false;
    file->power_cut(random_);
  }
}

}  // namespace ringpost::sim
