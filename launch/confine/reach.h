// Which files the programs of an attempt can reach: those of the system, and what the attempt needs of its
// own. Given to Landlock, which refuses the rest, and to the view, which shows nothing else of the folders
// that it replaces.
#pragma once

#include <vector>

#include "launch/command/work_folder.h"
#include "launch/confine/host_reach.h"
#include "launch/confine/view.h"
#include "launch/gang/gang.h"
#include "rekindle/v1/confined.pb.h"

namespace rekindle::launch {

// What every program of an attempt may read: the system's folders, those that PATH names, the operator's.
// Besides it the settings and devices, which a fence may have been begun with.
std::vector<Grant> reach_of_system(const v1::ConfinePolicy& policy, const std::vector<fs::path>& hidden);
// And what CUDA needs, of an attempt that has GPUs: its first call writes its threads' names below /proc.
std::vector<Grant> reach_of_gpus(const v1::ConfinePolicy& policy, const v1::Plan& plan);
// And what the parts of an attempt need that are programs of ours, mpirun and built-in ranks among them.
std::vector<Grant> reach_of_attempt(const GangOptions& options, const v1::Plan& plan,
                                    const fs::path& scratch);
// And what a script of the user's needs: not the artifact store, nor the attempt's records.
std::vector<Grant> reach_of_script(const AttemptFolder& folder, const WorkFolder& work, const v1::Plan& plan,
                                   const std::vector<fs::path>& hidden, int rank);

// Allows all of it, and nothing of what is hidden: a folder around a hidden one is taken to pieces.
Status allow_all(runtime::Landlock& landlock, const std::vector<Grant>& grants,
                 const std::vector<fs::path>& hidden);

// Folders that are private to an attempt where they can be: /tmp, /dev/shm.
const std::vector<fs::path>& shared_scratch();

}  // namespace rekindle::launch
