// CHECK(condition) and CASE("a sentence") for tests without a framework: a failed check says where, and main fails.
#pragma once

#include <cstdio>
#include <vector>

namespace check {

struct Case {
    const char* sentence;
    void (*body)();
};

inline std::vector<Case>& cases() {
    static std::vector<Case> all;
    return all;
}

inline int& failures() {
    static int count = 0;
    return count;
}

struct Register {
    Register(const char* sentence, void (*body)()) { cases().push_back({sentence, body}); }
};

inline void fail(const char* file, int line, const char* text) {
    if (++failures() <= 20) std::printf("%s:%d: failed: %s\n", file, line, text);
}

}  // namespace check

#define CHECK_JOIN_(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN_(a, b)
#define CASE(sentence)                                                                                   \
    static void CHECK_JOIN(case_, __LINE__)();                                                           \
    static const check::Register CHECK_JOIN(register_, __LINE__){sentence, CHECK_JOIN(case_, __LINE__)}; \
    static void CHECK_JOIN(case_, __LINE__)()
#define CHECK(condition) ((condition) ? (void)0 : check::fail(__FILE__, __LINE__, #condition))
