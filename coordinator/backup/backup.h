// A copy of the state folder, made while the daemon works: journal.db with its archives, events.db, the audit
// log, tokens, TLS files and pools.yaml; blobs of the artifact store when they are asked for. Not in it: what
// attempts left under runs/, and tokens of users in clusters, which expire by themselves.
//
// The journal is copied first, then the events: a crash, too, finds the events ahead, never behind. Whoever
// writes meanwhile waits for one piece at most. The list comes last, once all of it has been read back.
#pragma once

#include "coordinator/context.h"
#include "net/connect.h"
#include "rekindle/v1/backup.pb.h"

namespace rekindle::coordinator {

// On the core's thread. Ends with what was backed up, or with a refusal and none of it left in the folder.
boost::asio::awaitable<Status> back_up(Context& context, v1::BackupRequest request,
                                       net::Writer<v1::BackupUpdate>& writer);

}  // namespace rekindle::coordinator
