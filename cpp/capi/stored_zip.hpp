// Zips whose members are stored, not compressed: model files, and the archives of arrays in them.
#pragma once

#include <string>
#include <vector>

#include "common/bytes.hpp"

namespace shiftvae {

struct ZipMember {
    std::string name;
    Bytes content;
};

// The members of a zip, in its order, without a copy of their content. `name` is for messages. Refuses compressed
// and doubled members, members that hold more than the file together, and anything beyond the end.
std::vector<ZipMember> read_stored_zip(Bytes data, const std::string& name);

// The content of a member; null if there is none.
const Bytes* find_member(const std::vector<ZipMember>& members, const std::string& name);

// Refuses a model file whose records, all but the content of its members, are not byte for byte as they were exported,
// or where the content of one of the members in `summed` has another CRC-32. That of the others is told by their
// hashes.
void check_records(Bytes data, const std::vector<ZipMember>& members, const std::vector<std::string>& summed);

}  // namespace shiftvae
