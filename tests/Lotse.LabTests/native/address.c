/* What the C library this is linked with makes of a name's addresses, and what the kernel makes of a destination.
   Compiled twice, for glibc and for musl.
   address hold DIR   lays DIR/etc over /etc, makes the devices that DIR/devices names (NAME tap|tun ARPHRD, one a line)
                      and runs DIR/run with /bin/sh; the devices live as long as it does. In namespaces of its own.
   address order NAME       the addresses of NAME in order, one a line
   address sources ADDR...  for each the source of a connected UDP socket, or "-" */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

static void set(const char *name, const char *value)
{
    char path[128];
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/default/%s", name);
    int fd = open(path, O_WRONLY);
    if (fd >= 0) {
        (void)!write(fd, value, strlen(value));
        close(fd);
    }
}

static int hold(const char *dir)
{
    char path[512], name[64], kind[16];
    int type;
    snprintf(path, sizeof path, "%s/etc", dir);
    if (mount(path, "/etc", NULL, MS_BIND, NULL) != 0) {
        perror("mount");
        return 1;
    }
    set("accept_dad", "0");
    set("dad_transmits", "0");
    set("addr_gen_mode", "1");
    set("accept_ra", "0");
    snprintf(path, sizeof path, "%s/devices", dir);
    FILE *devices = fopen(path, "r");
    while (devices && fscanf(devices, "%63s %15s %d", name, kind, &type) == 3) {
        struct ifreq request;
        memset(&request, 0, sizeof request);
        strncpy(request.ifr_name, name, IFNAMSIZ - 1);
        request.ifr_flags = (strcmp(kind, "tap") == 0 ? 2 : 1) | 0x1000;
        int fd = open("/dev/net/tun", O_RDWR);
        if (fd < 0 || ioctl(fd, 0x400454ca, &request) != 0 || (type != 1 && ioctl(fd, 0x400454cd, type) != 0)) {
            perror(name);
            return 1;
        }
    }
    snprintf(path, sizeof path, "%s/run", dir);
    execl("/bin/sh", "sh", path, (char *)NULL);
    return 1;
}

static int order(const char *name)
{
    struct addrinfo hints, *list = NULL;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(name, "443", &hints, &list) != 0)
        return 1;
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        char text[64];
        inet_ntop(a->ai_family, a->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)a->ai_addr)->sin_addr : (void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr, text, sizeof text);
        puts(text);
    }
    return 0;
}

static void source(const char *text)
{
    struct sockaddr_in6 six;
    struct sockaddr_in four;
    memset(&six, 0, sizeof six);
    memset(&four, 0, sizeof four);
    six.sin6_family = AF_INET6;
    four.sin_family = AF_INET;
    six.sin6_port = four.sin_port = htons(9);
    int v6 = inet_pton(AF_INET6, text, &six.sin6_addr) == 1;
    if (!v6)
        inet_pton(AF_INET, text, &four.sin_addr);
    struct sockaddr *address = v6 ? (void *)&six : (void *)&four;
    socklen_t length = v6 ? sizeof six : sizeof four;
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, address, length) == 0 && getsockname(fd, address, &length) == 0) {
        char out[64];
        inet_ntop(v6 ? AF_INET6 : AF_INET, v6 ? (void *)&six.sin6_addr : (void *)&four.sin_addr, out, sizeof out);
        puts(out);
    } else {
        puts("-");
    }
    close(fd);
}

int main(int count, char **words)
{
    if (count == 3 && strcmp(words[1], "hold") == 0)
        return hold(words[2]);
    if (count == 3 && strcmp(words[1], "order") == 0)
        return order(words[2]);
    if (count >= 3 && strcmp(words[1], "sources") == 0) {
        for (int i = 2; i < count; i++)
            source(words[i]);
        return 0;
    }
    return 2;
}
