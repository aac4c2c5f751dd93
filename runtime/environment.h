// What a job's programs run with (train.env): the host as it is, a virtual environment from a lock file,
// environment modules, or a container.
//
// A virtual environment is built once for each lock file and Python, kept under its hash and shared by all
// attempts and serving nodes that name the same folder; two that need it at once build it once. User text
// reaches programs as words of their argv alone.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::runtime {

struct Environment {
  v1::Environment spec;
  fs::path venv;  // its folder, for a virtual environment
  fs::path tool;  // of modules: their program; of a container: Apptainer
  std::string
      described;  // for lineage: "host", "venv 3f2a1b… Python 3.11.2", "modules gcc/12", "container a.sif"
};

// Hears what goes on while an environment is built, in pieces of text.
using Say = std::function<void(std::string_view)>;

// `code`: the unpacked folder in which a lock file lies. `kept`: where environments are kept. A refusal
// (invalid_argument, failed_precondition) says what is wrong with the spec or what the host lacks; a failed
// build ends with pip's last lines.
Result<Environment> prepare_environment(const v1::Environment& spec, const fs::path& code,
                                        const fs::path& kept, const Say& say = {});

// Written down by who prepared it, for those that run in it: preparing again could find another one. Of what
// the host has without one there is nothing to write.
Status keep(const Environment& environment, const fs::path& file);
Result<Environment> read_kept(const v1::Environment& spec, const fs::path& file);

struct Invocation {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // "NAME=value"
};
// What to execute so that `command` runs in it, from the folder `code`. `environment` is what the program is
// to find besides, PATH among it; `folders` are what a container must see of the host, besides `code`.
Invocation invocation(const Environment& environment, const std::vector<std::string>& command,
                      std::vector<std::string> variables, const fs::path& code,
                      const std::vector<fs::path>& folders);

// Every line of a lock file must be `name==version`, with hashes and markers if need be, or a wheel within
// the folder, "./wheels/mine-1.0-py3-none-any.whl". invalid_argument names the line.
Status check_lock(std::string_view text, std::string_view name);

// Variables for helper programs that may reach for packages: bare_environment(), and what tells pip, proxies
// and modules where things are.
std::vector<std::string> host_environment();

}  // namespace rekindle::runtime
