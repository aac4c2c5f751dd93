#include "tests/events/traffic.h"
