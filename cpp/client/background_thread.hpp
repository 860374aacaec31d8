// The thread of a handle. Signals of the host never run on it.
#pragma once

#include <thread>

#ifndef _WIN32
#include <csignal>
#endif

#include <system_error>
#include <utility>

#include "common/refusal.hpp"
#include "shiftvae_client.h"

namespace shiftvae::client {

template <class Body>
std::thread background_thread(Body&& body) {
#ifndef _WIN32
    sigset_t all, before;  // a new thread has the mask of the one that makes it
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
#endif
    std::thread thread;
    bool made = true;
    try {
        thread = std::thread(std::forward<Body>(body));
    } catch (const std::system_error&) {
        made = false;
    }
#ifndef _WIN32
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
#endif
    if (!made) refuse(SVC_SYSTEM, "the machine gives no more threads");
    return thread;
}

}  // namespace shiftvae::client
