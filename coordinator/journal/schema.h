// The tables of journal.db, as this program writes them, and how older ones become so.
#pragma once

#include "coordinator/journal/sqlite.h"

namespace rekindle::coordinator {

// Makes the tables of a new file, brings those of an older schema up to date, and refuses what this program
// must not touch: a file of something else, a newer schema, a damaged one.
Status bring_up_to_date(Sqlite& db);

// Reads every page.
Status check_whole(Sqlite& db);

}  // namespace rekindle::coordinator
