#include "stored_zip.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "refusal.hpp"

namespace shiftvae {
namespace {

constexpr std::size_t local_size = 30, entry_size = 46, end_size = 22;
constexpr std::size_t most_members = 1000;
constexpr std::uint32_t local_mark = 0x04034b50, entry_mark = 0x02014b50, end_mark = 0x06054b50;

// A record as it was exported: numbers one after another.
struct Record {
    std::uint8_t bytes[entry_size] = {};
    std::size_t size = 0;

    Record& add16(std::size_t value) noexcept {
        bytes[size++] = static_cast<std::uint8_t>(value);
        bytes[size++] = static_cast<std::uint8_t>(value >> 8U);
        return *this;
    }
    Record& add32(std::size_t value) noexcept { return add16(value & 0xffffU).add16(value >> 16U); }
    // Version 2.0, no flags, stored, midnight of 1 January 1980.
    Record& add_kind() noexcept { return add16(20).add16(0).add16(0).add16(0).add16(33); }
};

std::array<std::uint32_t, 256> crc_table() noexcept {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = value & 1U ? value >> 1U ^ 0xedb88320U : value >> 1U;
        table[i] = value;
    }
    return table;
}

std::uint32_t crc32(Bytes data) noexcept {
    static const std::array<std::uint32_t, 256> table = crc_table();
    std::uint32_t value = 0xffffffffU;
    for (std::size_t i = 0; i < data.size; ++i) value = table[(value ^ data.first[i]) & 255U] ^ value >> 8U;
    return ~value;
}

}  // namespace

std::vector<ZipMember> read_stored_zip(Bytes data, const std::string& name) {
    const auto damaged = [&] { refuse_file(name + " is not a zip of stored members, or is damaged"); };
    if (data.size < end_size || number32(data.first + data.size - end_size) != end_mark) damaged();
    const std::uint8_t* end = data.first + data.size - end_size;
    const std::size_t count = number16(end + 10), limit = data.size - end_size;
    std::size_t at = number32(end + 16), left = data.size;
    if (count > most_members) damaged();
    std::vector<ZipMember> members;
    for (std::size_t i = 0; i < count; ++i) {
        if (at > limit || limit - at < entry_size) damaged();
        const std::uint8_t* entry = data.first + at;
        const std::size_t size = number32(entry + 24), name_size = number16(entry + 28), local = number32(entry + 42);
        const std::size_t more = name_size + number16(entry + 30) + number16(entry + 32);
        if (number32(entry) != entry_mark || number16(entry + 10) != 0 || number32(entry + 20) != size) damaged();
        if (limit - at - entry_size < more || local > limit || limit - local < local_size) damaged();
        if (number32(data.first + local) != local_mark) damaged();
        const std::size_t before = local_size + number16(data.first + local + 26) + number16(data.first + local + 28);
        if (limit - local < before || limit - local - before < size || size > left) damaged();
        left -= size;
        ZipMember member{Bytes{entry + entry_size, name_size}.text(), {data.first + local + before, size}};
        if (find_member(members, member.name)) refuse_file(name + ": two members are called " + member.name);
        members.push_back(std::move(member));
        at += entry_size + more;
    }
    return members;
}

const Bytes* find_member(const std::vector<ZipMember>& members, const std::string& name) {
    for (const ZipMember& member : members)
        if (member.name == name) return &member.content;
    return nullptr;
}

void check_records(Bytes data, const std::vector<ZipMember>& members, const std::vector<std::string>& summed) {
    std::size_t place = 0;  // of the next record
    const auto check = [&](const void* expected, std::size_t size) {
        if (data.size - place < size || std::memcmp(data.first + place, expected, size) != 0)
            refuse_file("the records of the zip are not as exported");
        place += size;
    };
    std::vector<std::uint32_t> sums;
    std::vector<std::size_t> places;
    for (const ZipMember& member : members) {
        if (data.size - place < local_size) refuse_file("the records of the zip are not as exported");
        const bool computed = std::find(summed.begin(), summed.end(), member.name) != summed.end();
        sums.push_back(computed ? crc32(member.content) : number32(data.first + place + 14));
        places.push_back(place);
        const std::size_t size = member.content.size;
        Record record;
        record.add32(local_mark).add_kind().add32(sums.back()).add32(size).add32(size);
        record.add16(member.name.size()).add16(0);
        check(record.bytes, record.size);
        check(member.name.data(), member.name.size());
        if (member.content.first != data.first + place) refuse_file("the members of the zip do not follow each other");
        place += size;
    }
    const std::size_t directory = place;
    for (std::size_t i = 0; i < members.size(); ++i) {
        const std::size_t size = members[i].content.size;
        Record record;  // made on Unix by version 2.0; readable by its owner
        record.add32(entry_mark).add16(3U << 8U | 20U).add_kind().add32(sums[i]).add32(size).add32(size);
        record.add16(members[i].name.size()).add16(0).add16(0).add16(0).add16(0).add32(0600U << 16U).add32(places[i]);
        check(record.bytes, record.size);
        check(members[i].name.data(), members[i].name.size());
    }
    Record end;
    const std::size_t size = place - directory;
    end.add32(end_mark).add16(0).add16(0).add16(members.size()).add16(members.size()).add32(size).add32(directory);
    end.add16(0);
    check(end.bytes, end.size);
    if (place != data.size) refuse_file("the zip is longer than its records");
}

}  // namespace shiftvae
