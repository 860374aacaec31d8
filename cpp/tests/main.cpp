#include "check.hpp"

int main() {
    for (const check::Case& one : check::cases()) {
        const int before = check::failures();
        one.body();
        std::printf("%s  %s\n", check::failures() == before ? "ok  " : "FAIL", one.sentence);
    }
    return check::failures() == 0 && !check::cases().empty() ? 0 : 1;
}
