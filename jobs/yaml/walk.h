// A YAML tree into a message: the descriptors are the schema, the tree gives the places.
#pragma once

#include <google/protobuf/message.h>

#include <map>
#include <string>

#include "jobs/problems.h"
#include "jobs/values.h"
#include "jobs/yaml/tree.h"

namespace rekindle::jobs::yaml {

// Where each path was written; "" is the whole.
class Places {
 public:
  void set(const std::string& path, Place place) { places_[path] = place; }
  // Of the path, or of the nearest thing around it that was written.
  Place find(std::string path) const;

 private:
  std::map<std::string, Place> places_;
};

// Sets what the tree says. Wrong parts are left out and named in `problems`.
void walk(const Node& root, Message& message, Places& places, Problems& problems);

// One field's value, as walk() would read it: how a default's text becomes a value.
void walk_field(const Node& node, Message& message, const Field& field, const std::string& path,
                Places& places, Problems& problems);

}  // namespace rekindle::jobs::yaml
