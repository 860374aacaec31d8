// JSON as the exporter writes it, read into values that check what is taken from them.
#pragma once

#include <string>
#include <vector>

#include "bytes.hpp"

namespace shiftvae {

// A value of a text. What it is not, or what it lacks, is refused with its place in the text.
class Json {
public:
    // `name` of the text is for messages. Refuses text that is not JSON, nests deeper than 32 levels, or has a key
    // twice.
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
    double number(double low, double high) const;
    std::size_t integer(std::size_t low, std::size_t high) const;

private:
    friend class JsonReader;
    enum class Kind { null, boolean, number, text, array, object };

    [[noreturn]] void refuse_as(const std::string& expected) const;

    Kind kind_ = Kind::null;
    std::string place_;
    double number_ = 0;
    std::string text_;
    std::vector<std::string> keys_;
    std::vector<Json> values_;
};

}  // namespace shiftvae
