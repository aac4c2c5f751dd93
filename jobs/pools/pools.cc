#include "jobs/pools/pools.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/ids.h"
#include "base/units.h"
#include "jobs/problems.h"
#include "jobs/resolve.h"
#include "jobs/spec.h"
#include "jobs/yaml/read.h"
#include "proto/time.h"

namespace rekindle::jobs {
namespace {

// Words that become values of sbatch's options. They reach it as one argument each, so no shell reads them;
// what is let through here is what such names are made of, and nothing that begins like an option.
constexpr std::string_view kNameCharacters = "-_.+@:/";
constexpr std::string_view kRuleCharacters = "-_.+@:/=,*&|()[]";

bool plain_word(std::string_view text, std::string_view others) {
  if (text.empty() || text.size() > 256 || text.front() == '-') return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

void check_word(const std::string& path, const std::string& text, std::string_view others,
                Problems& problems) {
  if (text.empty() || plain_word(text, others)) return;
  problems.add(
      path, fmt::format("'{}' may hold letters, digits and {} alone, and not begin with '-'", text, others));
}

void check_folder(const std::string& path, const std::string& text, Problems& problems) {
  if (text.empty() || (text.starts_with('/') && text.find_first_of("\n\r\t%\\:") == std::string::npos))
    return;
  problems.add(path, fmt::format("'{}' must be an absolute path without %, :, \\ or line breaks", text));
}

void check_slurm(const v1::SlurmPool& slurm, const std::string& path, Problems& problems) {
  for (const auto& [name, text] : {std::pair("partition", &slurm.partition()),
                                   {"account", &slurm.account()},
                                   {"qos", &slurm.qos()},
                                   {"reservation", &slurm.reservation()},
                                   {"gpu", &slurm.gpu()},
                                   {"mpi", &slurm.mpi()}})
    check_word(fmt::format("{}.{}", path, name), *text, kNameCharacters, problems);
  for (const auto& [name, text] : {std::pair("constraint", &slurm.constraint()), {"gres", &slurm.gres()}})
    check_word(fmt::format("{}.{}", path, name), *text, kRuleCharacters, problems);
  for (const auto& [name, text] : {std::pair("programs", &slurm.programs()),
                                   {"commands", &slurm.commands()},
                                   {"config", &slurm.config()}})
    check_folder(fmt::format("{}.{}", path, name), *text, problems);
  if (slurm.has_time() && from_proto(slurm.notice()) >= from_proto(slurm.time()))
    problems.add(
        path + ".notice",
        fmt::format("{} of notice leave nothing of {}: raise time, or say a shorter notice",
                    format_duration(from_proto(slurm.notice())), format_duration(from_proto(slurm.time()))));
}

// What mpirun and the agent are told: neither an option nor anything that a shell or a list reads otherwise.
bool host_name(std::string_view text) {
  return plain_word(text, "-_.") && text.size() <= 253 && text.front() != '.' && text.front() != '_' &&
         text.back() != '.';
}

void check_agent(const v1::HostsPool& hosts, const std::string& path, Problems& problems) {
  constexpr int kWordsMost = 64;
  if (hosts.agent_size() > kWordsMost)
    problems.add(path, fmt::format("{} words: at most {}", hosts.agent_size(), kWordsMost));
  // mpirun takes it as one text: blanks part its words, colons its alternatives.
  for (int i = 0; i < hosts.agent_size(); ++i) {
    std::string word = hosts.agent(i);
    if (i > 0 && word.starts_with('-')) word.erase(0, word.find_first_not_of('-'));
    if (!plain_word(word, "-_.+@/=,%"))
      problems.add(fmt::format("{}[{}]", path, i),
                   fmt::format("'{}' may hold letters, digits and -_.+@/=,% alone{}", hosts.agent(i),
                               i == 0 ? ", and not begin with '-'" : ""));
  }
}

// `taken`: hosts of the pools before.
void check_hosts(const v1::Pool& pool, const std::string& of, std::set<std::string>& taken,
                 Problems& problems) {
  const v1::HostsPool& hosts = pool.hosts();
  const std::string path = of + ".hosts";
  for (int i = 0; i < hosts.inventory_size(); ++i) {
    const std::string& name = hosts.inventory(i).name();
    const std::string at = fmt::format("{}.inventory[{}].name", path, i);
    if (!host_name(name))
      problems.add(at, fmt::format("'{}' is not the name of one host: letters, digits, -, _ and . alone, "
                                   "beginning with a letter or digit",
                                   name));
    else if (!taken.insert(name).second)
      problems.add(at,
                   fmt::format("'{}' is in an inventory already: its slots would be given away twice", name));
  }
  check_agent(hosts, path + ".agent", problems);
  for (const auto& [name, text] :
       {std::pair("collectives", &hosts.collectives()), {"control", &hosts.control()}})
    check_word(fmt::format("{}.{}", path, name), *text, "-_./,", problems);
  check_folder(path + ".programs", hosts.programs(), problems);
  if (hosts.suspect().faults() > hosts.suspect().of())
    problems.add(path + ".suspect.faults", fmt::format("{} faults among {} attempts cannot be: raise `of`",
                                                       hosts.suspect().faults(), hosts.suspect().of()));
  if (pool.limits().ranks() > 0 || pool.limits().gpus() > 0)
    problems.add(of + ".limits",
                 "ranks and gpus of this pool are what its inventory says: say fewer slots there");
}

void check_confine(const v1::Confine& confine, const std::string& path, Problems& problems) {
  for (int i = 0; i < confine.read_size(); ++i) {
    const std::string at = fmt::format("{}.read[{}]", path, i);
    check_folder(at, confine.read(i), problems);
    if (confine.read(i) == "/")
      problems.add(at, "'/' is everything: say `files: all` if that is meant, or name the folders");
    if (confine.read(i).empty()) problems.add(at, "names no folder");
  }
}

void check_pools(const v1::PoolsFile& file, Problems& problems) {
  std::set<std::string> names, hosts;
  int local = -1;
  for (int i = 0; i < file.pools_size(); ++i) {
    const v1::Pool& pool = file.pools(i);
    const std::string path = fmt::format("pools[{}]", i);
    if (Status bad = check_name("pool", pool.name()); !bad.ok()) problems.add(path + ".name", bad.message());
    if (!names.insert(pool.name()).second)
      problems.add(path + ".name", fmt::format("'{}' names another pool too", pool.name()));
    if (pool.has_local() && local >= 0)
      problems.add(path + ".local", fmt::format("this host is pool '{}' already: its slots and GPUs would be "
                                                "given away twice",
                                                file.pools(local).name()));
    if (pool.has_local()) local = i;
    if (pool.has_local()) check_confine(pool.local().confine(), path + ".local.confine", problems);
    if (pool.has_slurm()) check_slurm(pool.slurm(), path + ".slurm", problems);
    if (pool.has_hosts()) check_hosts(pool, path, hosts, problems);
  }
}

}  // namespace

Result<v1::PoolsFile> parse_pools(std::string_view yaml, std::string_view filename) {
  v1::PoolsFile written, filled;
  std::vector<ResolvedField> fields;
  yaml::Rules rules;
  rules.fill = [&](Problems& problems) { fill(filled, fields, problems); };
  rules.check = [&](Problems& problems) { check_pools(filled, problems); };
  TRY_STATUS(yaml::read(yaml, filename, written, filled, rules));
  return filled;
}

v1::PoolsFile default_pools() {
  return parse_pools("rekindle: 1\npools: [{name: local, local: {}}]\n", "the default pools").value();
}

const v1::Pool* find_pool(const v1::PoolsFile& pools, std::string_view name) {
  for (const v1::Pool& pool : pools.pools())
    if (pool.name() == name) return &pool;
  return nullptr;
}

Status no_such_pool(const v1::PoolsFile& pools, std::string_view name) {
  std::vector<std::string> names;
  for (const v1::Pool& pool : pools.pools()) names.push_back(pool.name());
  const std::string near = nearest(name, names);
  return failed_precondition(fmt::format("pool: there is no pool '{}'{}; `rekindle pools` lists them", name,
                                         near.empty() ? fmt::format(": there is {}", fmt::join(names, ", "))
                                                      : fmt::format("; did you mean '{}'?", near)));
}

}  // namespace rekindle::jobs
