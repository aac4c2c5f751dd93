// Which threads go first when there are more of them than cores.
#pragma once

namespace rekindle::serving {

// The calling thread's work can wait a moment: from now on threads that somebody waits for go before it. Only
// ever lowers its priority; nothing where that is low already.
void give_way();

}  // namespace rekindle::serving
