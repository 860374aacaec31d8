// JSON from a file or from the network, read into values that check what is taken from them.
#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/bytes.hpp"

namespace shiftvae {

// Text that is not JSON, or a value in it that is not as expected.
class JsonError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A value of a text. What it is not, or what it lacks, is a JsonError with its place in the text.
class Json {
public:
    // `name` of the text is for messages. Refuses text that is not JSON, nests deeper than 32 levels, has an object of
    // more than 4096 keys, or has a key twice.
    static Json parse(Bytes text, const std::string& name);

    bool is_null() const noexcept { return kind_ == Kind::null; }
    const Json& at(const std::string& key) const;
    bool has(const std::string& key) const;
    // The values of an array; at most `most`.
    const std::vector<Json>& items(std::size_t most) const;
    // Keys and values of an object, in their order.
    const std::vector<std::string>& keys() const;
    const std::vector<Json>& values() const;
    const std::string& text() const;
    bool boolean() const;
    double number(double low, double high) const;
    std::size_t integer(std::size_t low, std::size_t high) const;
    // A whole number of up to 64 bits, from its digits: above 2^53 a double would round it.
    std::uint64_t count(std::uint64_t low, std::uint64_t high) const;
    // Refuses an object that has any other key.
    void only(std::initializer_list<const char*> names) const;

private:
    friend class JsonReader;
    enum class Kind { null, boolean, number, text, array, object };

    [[noreturn]] void refuse_as(const std::string& expected) const;

    Kind kind_ = Kind::null;
    std::string place_;
    double number_ = 0;
    bool boolean_ = false;
    std::string text_;  // of a text, or the digits of a number
    std::vector<std::string> keys_;
    std::vector<Json> values_;
};

}  // namespace shiftvae
