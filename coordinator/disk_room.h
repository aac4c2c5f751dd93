// Whether the disks that the coordinator and its runs write to still have room. New work is refused, and no
// run is placed, while one of them has less left than what is under way may need; what was begun is written
// to its end, and reads are answered all the while.
//
// A file of a few MiB is kept in the state folder for the day when something else has taken every last byte:
// given up, it lets the journal take down what was decided by then.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "base/result.h"

namespace rekindle::coordinator {

// kResourceExhausted, with the folder, what is left and what to do. One disk may hold several of them.
// `coming`: bytes that are about to be written to each.
Status check_room(std::span<const std::filesystem::path> folders, uint64_t coming = 0);

// Makes the reserve while there is room, gives it up when its disk is full.
void tend_reserve(const std::filesystem::path& reserve);

}  // namespace rekindle::coordinator
