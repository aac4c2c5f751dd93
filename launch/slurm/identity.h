// In whose name jobs are submitted: a user's own token (JSON Web Token) of Slurm's, and how Slurm's commands
// are made to act by it. A token goes into the environment of the one command that needs it and nowhere else.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "rekindle/v1/pool.pb.h"

namespace rekindle::launch::slurm {

struct Identity {
  std::string token;
  std::string user;  // of this host and of the cluster
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;
};

// What a token says of itself. That it is genuine only Slurm can tell.
struct Claims {
  std::string user;
  int64_t expires_us = 0;  // wall clock; 0: never
};
// As `scontrol token` prints it, or without "SLURM_JWT=". A refusal never quotes it.
Result<Claims> read_token(std::string_view text);
std::string bare_token(std::string_view text);

// failed_precondition: this host does not know the user.
Result<Identity> identity_of(std::string token);

// Of whoever asked for a run in this pool; failed_precondition says what they have to do first.
using Identities = std::function<Result<Identity>(const std::string& pool, const std::string& owner)>;

// A command as it is run.
struct Call {
  std::vector<std::string> argv;
  std::vector<std::string> environment;
};
// As ourselves.
Call own_call(const v1::SlurmPool& pool, std::vector<std::string> argv);
// As somebody else: by their token, and, since sbatch and scancel tell Slurm whose process they are, in a
// user namespace in which we are they (launch/slurm/stand_in.h). `gang`: rekindle-gang on this host.
Call call_as(const Identity& identity, const v1::SlurmPool& pool, const fs::path& gang,
             std::vector<std::string> argv);

// Whether Slurm takes the token: it is asked for that user's jobs.
Status try_identity(const Identity& identity, const v1::SlurmPool& pool, const fs::path& gang);

}  // namespace rekindle::launch::slurm
