#include "common/json.hpp"

#include <charconv>
#include <cstring>
#include <optional>

#include "common/decimal.hpp"
#include "common/number_text.hpp"
#include "common/refusal.hpp"

namespace shiftvae {
namespace {

std::string limit_text(double limit) {
    const bool whole = limit > -1e6 && limit < 1e6 && limit == static_cast<int>(limit);
    return whole ? std::to_string(static_cast<int>(limit)) : one_digit_text(limit);
}

}  // namespace

class JsonReader {
public:
    JsonReader(Bytes text, const std::string& name)
        : at_(reinterpret_cast<const char*>(text.first)), end_(at_ + text.size), name_(name) {}

    Json whole() {
        Json value;
        value.place_ = name_;
        read(value, 0);
        skip_space();
        if (at_ != end_) damaged();
        return value;
    }

private:
    static constexpr int most_levels = 32;
    static constexpr std::size_t most_keys = 4096, most_place = 120;

    [[noreturn]] void damaged() const { throw JsonError(name_ + " is not JSON as expected"); }

    void skip_space() noexcept {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    }
    bool take(char wanted) noexcept {
        if (at_ == end_ || *at_ != wanted) return false;
        ++at_;
        return true;
    }
    void need(char wanted) {
        skip_space();
        if (!take(wanted)) damaged();
    }
    bool take_word(const char* word) noexcept {
        const std::size_t size = std::strlen(word);
        if (static_cast<std::size_t>(end_ - at_) < size || std::memcmp(at_, word, size) != 0) return false;
        at_ += size;
        return true;
    }

    void read(Json& value, int level) {
        if (level > most_levels) damaged();
        skip_space();
        if (take('{')) return read_object(value, level);
        if (take('[')) return read_array(value, level);
        if (take('"')) {
            value.kind_ = Json::Kind::text;
            value.text_ = rest_of_text();
        } else if (take_word("true")) {
            value.kind_ = Json::Kind::boolean;
            value.boolean_ = true;
        } else if (take_word("false")) {
            value.kind_ = Json::Kind::boolean;
        } else if (!take_word("null")) {
            value.kind_ = Json::Kind::number;
            value.text_ = digits_of_number();
            value.number_ = number(value.text_);
        }
    }

    void read_object(Json& value, int level) {
        value.kind_ = Json::Kind::object;
        skip_space();
        if (take('}')) return;
        do {
            need('"');
            const std::string key = rest_of_text();
            if (value.has(key) || value.keys_.size() == most_keys) damaged();
            need(':');
            value.keys_.push_back(key);
            value.values_.emplace_back();
            value.values_.back().place_ = (value.place_ + ": " + shown(key)).substr(0, most_place);
            read(value.values_.back(), level + 1);
            skip_space();
        } while (take(','));
        need('}');
    }

    void read_array(Json& value, int level) {
        value.kind_ = Json::Kind::array;
        skip_space();
        if (take(']')) return;
        do {
            value.values_.emplace_back();
            value.values_.back().place_ = value.place_;
            read(value.values_.back(), level + 1);
            skip_space();
        } while (take(','));
        need(']');
    }

    void take_digits() {
        const char* const first = at_;
        while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
        if (at_ == first) damaged();
    }

    std::string digits_of_number() {
        const char* const first = at_;
        take('-');
        if (!take('0')) take_digits();
        if (take('.')) take_digits();
        if (take('e') || take('E')) {
            if (!take('+')) take('-');
            take_digits();
        }
        return {first, at_};
    }

    double number(const std::string& digits) const {
        const std::optional<double> value = nearest_double(digits);
        if (!value) damaged();
        return *value;
    }

    // The text after its first quotation mark.
    std::string rest_of_text() {
        std::string text;
        while (!take('"')) {
            if (at_ == end_ || static_cast<unsigned char>(*at_) < 0x20) damaged();
            if (take('\\'))
                read_escape(text);
            else
                text += *at_++;
        }
        return text;
    }

    void read_escape(std::string& text) {
        constexpr const char* names = "\"\\/bfnrt";
        constexpr const char* meant = "\"\\/\b\f\n\r\t";
        if (at_ == end_) damaged();
        const char kind = *at_++;
        if (kind == 'u') return add_character(text, escaped_character());
        const char* const found = kind ? std::strchr(names, kind) : nullptr;
        if (!found) damaged();
        text += meant[found - names];
    }

    std::uint32_t four_digits() {
        std::uint32_t value = 0;
        if (end_ - at_ < 4) damaged();
        const auto [last, error] = std::from_chars(at_, at_ + 4, value, 16);
        if (error != std::errc() || last != at_ + 4) damaged();
        at_ += 4;
        return value;
    }

    std::uint32_t escaped_character() {
        const std::uint32_t first = four_digits();
        if (first < 0xd800 || first > 0xdfff) {
            if (first == 0) damaged();  // C programs read the text up to a zero
            return first;
        }
        if (first > 0xdbff || !take_word("\\u")) damaged();
        const std::uint32_t second = four_digits();
        if (second < 0xdc00 || second > 0xdfff) damaged();
        return 0x10000 + ((first - 0xd800) << 10U) + (second - 0xdc00);
    }

    static void add_character(std::string& text, std::uint32_t code) {
        const auto add = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
        if (code < 0x80) return add(code);
        if (code < 0x800) {
            add(0xc0U | code >> 6U);
        } else {
            if (code < 0x10000) {
                add(0xe0U | code >> 12U);
            } else {
                add(0xf0U | code >> 18U);
                add(0x80U | (code >> 12U & 0x3fU));
            }
            add(0x80U | (code >> 6U & 0x3fU));
        }
        add(0x80U | (code & 0x3fU));
    }

    const char *at_, *end_;
    const std::string& name_;
};

Json Json::parse(Bytes text, const std::string& name) { return JsonReader(text, name).whole(); }

void Json::refuse_as(const std::string& expected) const { throw JsonError(place_ + ": expected " + expected); }

bool Json::has(const std::string& key) const {
    for (const std::string& one : keys_)
        if (one == key) return true;
    return false;
}

const Json& Json::at(const std::string& key) const {
    for (std::size_t i = 0; i < keys_.size(); ++i)
        if (keys_[i] == key) return values_[i];
    refuse_as("a field \"" + key + "\"");
}

const std::vector<Json>& Json::items(std::size_t most) const {
    if (kind_ != Kind::array || values_.size() > most) refuse_as("at most " + std::to_string(most) + " values");
    return values_;
}

const std::vector<std::string>& Json::keys() const {
    if (kind_ != Kind::object) refuse_as("an object");
    return keys_;
}

const std::vector<Json>& Json::values() const {
    if (kind_ != Kind::object) refuse_as("an object");
    return values_;
}

const std::string& Json::text() const {
    if (kind_ != Kind::text) refuse_as("a text");
    return text_;
}

bool Json::boolean() const {
    if (kind_ != Kind::boolean) refuse_as("true or false");
    return boolean_;
}

double Json::number(double low, double high) const {
    if (kind_ != Kind::number || !(number_ >= low && number_ <= high))
        refuse_as("a number from " + limit_text(low) + " to " + limit_text(high));
    return number_;
}

std::size_t Json::integer(std::size_t low, std::size_t high) const {
    const bool fits =
        kind_ == Kind::number && number_ >= static_cast<double>(low) && number_ <= static_cast<double>(high);
    const std::size_t value = fits ? static_cast<std::size_t>(number_) : 0;
    if (!fits || static_cast<double>(value) != number_)
        refuse_as("an integer from " + std::to_string(low) + " to " + std::to_string(high));
    return value;
}

std::uint64_t Json::count(std::uint64_t low, std::uint64_t high) const {
    std::uint64_t value = 0;
    const char* const end = text_.data() + text_.size();
    const auto [last, error] = std::from_chars(text_.data(), end, value);
    if (kind_ != Kind::number || error != std::errc() || last != end || value < low || value > high)
        refuse_as("a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    return value;
}

void Json::only(std::initializer_list<const char*> names) const {
    for (const std::string& key : keys()) {
        bool known = false;
        for (const char* name : names) known = known || key == name;
        if (!known) refuse_as("no field \"" + shown(key) + "\"");
    }
}

}  // namespace shiftvae
