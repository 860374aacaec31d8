// The end of a program that dies of an exception, in place of libstdc++'s, which names the exception: that takes a
// reader of C++ names, 50 kB of a library whose functions let no exception out.
#include <cstdlib>

// NOLINTBEGIN(bugprone-reserved-identifier): the name that libstdc++ looks for
namespace __gnu_cxx {

[[noreturn]] void __verbose_terminate_handler();
[[noreturn]] void __verbose_terminate_handler() { std::abort(); }

}  // namespace __gnu_cxx
// NOLINTEND(bugprone-reserved-identifier)
