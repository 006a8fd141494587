// Lets User-Mode Linux before 6.11 run on processors with AMX, whose registers take more room than its buffer has: the host's
// ptrace then refuses to set them. To be preloaded; sets what UML knows of, and leaves the rest as it is.
#define _GNU_SOURCE
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define XSTATE ((void *)0x202)

long ptrace(enum __ptrace_request request, ...) {
    va_list arguments;
    va_start(arguments, request);
    pid_t pid = va_arg(arguments, pid_t);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);

    static char all[64 * 1024];
    struct iovec whole = {all, sizeof all};
    if (request == PTRACE_SETREGSET && address == XSTATE && syscall(SYS_ptrace, PTRACE_GETREGSET, pid, XSTATE, &whole) == 0) {
        const struct iovec *known = data;
        memcpy(all, known->iov_base, known->iov_len < whole.iov_len ? known->iov_len : whole.iov_len);
        return syscall(SYS_ptrace, request, pid, XSTATE, &whole);
    }
    if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
        // The kernel's call gives the word another way than the library's.
        long word;
        return syscall(SYS_ptrace, request, pid, address, &word) == 0 ? word : -1;
    }
    return syscall(SYS_ptrace, request, pid, address, data);
}
