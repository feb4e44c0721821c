# idbridge. `make` builds build/idbridge, `make demo` shows it, `make check` tests it; `make help` lists the rest.
# Paths are relative throughout: the tree may lie in a folder with blanks in its name.
SHELL := /bin/sh
.DEFAULT_GOAL := all
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

PYTHON  := /usr/bin/python3
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX  ?= /usr
SYSCONFDIR ?= /etc
DESTDIR ?=

# git may refuse ("dubious ownership") or be absent: the version survives it.
VERSION := 0.1.0
COMMIT  := $(shell git -c safe.directory='*' describe --always --dirty 2>/dev/null || echo unknown)

PACKAGES := libmicrohttpd cjose libcurl jansson sqlite3 libssl libcrypto liboauth2
CPPFLAGS += -D_GNU_SOURCE -Iinclude
WARN     := -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes -Wvla -Werror
CSTD     := -std=c17 -fvisibility=hidden -g
LIBS      = $(shell pkg-config --libs $(PACKAGES)) -lldap -llber -linih -lcsv -lpthread -lm
PKGCFLAGS = $(shell pkg-config --cflags $(PACKAGES))
HARDEN   := -O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
            -ftrivial-auto-var-init=zero -fPIE
HARDENLD := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
ASAN     := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
TSAN     := -O1 -fno-omit-frame-pointer -fsanitize=thread

SOURCES  := $(sort $(wildcard broker/*/*.c))
MAIN     := broker/main.c
MESSAGES := $(sort $(wildcard broker/web/messages/*.json))
UNIT     := $(sort $(wildcard test/unit/*/test_*.c))

# ---- building: one rule set per variant (release, asan, tsan) ------------------------------------------
define variant
build/$(1)/%.o: %.c | toolchain
	@mkdir -p $$(@D)
	@echo "  CC $$@"
	@$$(CC) $$(CSTD) $$(CPPFLAGS) $$(PKGCFLAGS) $$(WARN) $(2) -MMD -MP -c -o $$@ $$<
build/$(1)/broker/main.o: build/commit
build/$(1)/broker/main.o: CPPFLAGS += -DIDBRIDGE_VERSION='"$(VERSION)"' -DIDBRIDGE_COMMIT='"$(COMMIT)"'
# The message catalogue is compiled in: one object that holds every messages/*.json (see web/messages.S).
build/$(1)/messages.o: broker/web/messages.S $$(MESSAGES) | toolchain
	@mkdir -p $$(@D)
	@$$(CC) -c -o $$@ broker/web/messages.S
build/$(1)/libidbridge.a: $$(SOURCES:%.c=build/$(1)/%.o) build/$(1)/messages.o
	@rm -f $$@ && ar rcs $$@ $$^
build/$(1)/idbridge: build/$(1)/broker/main.o build/$(1)/libidbridge.a
	@echo "  LD $$@"
	@$$(CC) $(2) -o $$@.new $$^ $(3) $$(LIBS) && mv -f $$@.new $$@
build/$(1)/test/unit/%: build/$(1)/test/unit/%.o build/$(1)/libidbridge.a
	@echo "  LD $$@"
	@$$(CC) $(2) -o $$@ $$^ $(3) $$(LIBS) -lcmocka
build/$(1)/test/bench/%: build/$(1)/test/bench/%.o build/$(1)/libidbridge.a
	@echo "  LD $$@"
	@$$(CC) $(2) -o $$@ $$^ $(3) $$(LIBS)
-include $$(SOURCES:%.c=build/$(1)/%.d) build/$(1)/broker/main.d $$(UNIT:%.c=build/$(1)/%.d)
endef
$(eval $(call variant,release,$(HARDEN),$(HARDENLD)))
$(eval $(call variant,asan,$(ASAN),))
$(eval $(call variant,tsan,$(TSAN),))
$(eval $(call variant,mutants,-O1,))
.SECONDARY:

# Written only when it changes: main.c, which tells the version, is compiled again after a pull.
build/commit: always
	@mkdir -p $(@D)
	@echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' > $@

# Without these the first compilation ends in words nobody can act on. What to do is said once.
toolchain:
	@missing=; for tool in $(firstword $(CC)) pkg-config ar; do \
	  command -v "$$tool" >/dev/null 2>&1 || missing="$$missing $$tool"; done; \
	[ -n "$$missing" ] || for library in $(PACKAGES); do \
	  pkg-config --exists "$$library" || missing="$$missing $$library"; done; \
	[ -z "$$missing" ] || { \
	  echo "make: missing:$$missing. \`make packages' installs what is needed to build (as root or with sudo)" >&2; \
	  sh test/support/packages.sh --show build >&2; exit 2; }

all: build/idbridge
build/idbridge: build/release/idbridge
	cp -f $< $@.new && mv -f $@.new $@
asan: build/asan/idbridge
unit-programs: $(UNIT:%.c=build/asan/%)

# ---- the two commands a newcomer types ------------------------------------------------------------------
demo:
	@sh test/support/packages.sh demo
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@$(PYTHON) test/support/demo.py $(if $(ONCE),--once)
demo-clean:
	rm -rf build/demo

check:
	@sh test/support/packages.sh check
	@$(MAKE) --no-print-directory -s layers
	@$(MAKE) --no-print-directory -j$(JOBS) all asan unit-programs
	@$(PYTHON) test/run.py

# The failover test of test/flow with all of its logins: 1,000 at 50 a second.
failover:
	@sh test/support/packages.sh check
	@$(MAKE) --no-print-directory -s -j$(JOBS) asan
	@IDBRIDGE_FAILOVER_LOGINS=1000 $(PYTHON) -B -m pytest -q -s --import-mode=importlib -p no:cacheprovider test/flow/test_directory_failover.py

# Every guard compiled out, one at a time: prints those that no test misses. ONLY="name name" for some.
MUTANT_COMPILE = $(CC) $(CSTD) $(CPPFLAGS) $(PKGCFLAGS) -O1 -w
mutants:
	@sh test/support/packages.sh check
	@$(MAKE) --no-print-directory -s -j$(JOBS) build/mutants/idbridge
	@$(PYTHON) test/mutants.py $(if $(ONLY),--only $(ONLY))
print-%:
	@printf '%s\n' '$($*)'

# ---- looking after the tree ------------------------------------------------------------------------------
layers:
	@$(PYTHON) test/support/layers.py
packages:
	@sh test/support/packages.sh build
BENCH := inside groups bare provider directory
bench:
	@sh test/support/packages.sh bench
	@$(MAKE) --no-print-directory -s -j$(JOBS) all $(BENCH:%=build/release/test/bench/%)
	@$(PYTHON) test/bench/run.py
	@$(PYTHON) test/bench/directory.py
format:
	@sh test/support/packages.sh analyze
	clang-format -i $(SOURCES) $(MAIN) include/idbridge/*.h
compile_commands.json: Makefile
	$(MAKE) -Bn --no-print-directory all | $(PYTHON) test/support/compile_commands.py > $@
clean:
	rm -rf build

# ---- fuzzing, static analysis, failing memory, threads: make fuzz analyze torture tsan ----------------------
include test/deep.mk

# ---- installing ------------------------------------------------------------------------------------------
install: all
	install -D -m 0755 build/idbridge "$(DESTDIR)$(PREFIX)/sbin/idbridge"
	install -D -m 0644 docs/idbridge.8 "$(DESTDIR)$(PREFIX)/share/man/man8/idbridge.8"
	install -D -m 0644 docs/idbridge.ini.5 "$(DESTDIR)$(PREFIX)/share/man/man5/idbridge.ini.5"
	install -D -m 0644 deploy/systemd/idbridge.service "$(DESTDIR)$(PREFIX)/lib/systemd/system/idbridge.service"
	sed -i 's|^ExecStart=/usr/sbin/|ExecStart=$(PREFIX)/sbin/|' "$(DESTDIR)$(PREFIX)/lib/systemd/system/idbridge.service"
	install -D -m 0644 deploy/systemd/idbridge.sysusers "$(DESTDIR)$(PREFIX)/lib/sysusers.d/idbridge.conf"
	install -D -m 0644 deploy/systemd/idbridge.tmpfiles "$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/idbridge.conf"
	install -D -m 0644 LICENSE "$(DESTDIR)$(PREFIX)/share/doc/idbridge/copyright"
	@test -e "$(DESTDIR)$(SYSCONFDIR)/idbridge/idbridge.ini" || \
	  install -D -m 0640 deploy/idbridge.ini.example "$(DESTDIR)$(SYSCONFDIR)/idbridge/idbridge.ini"
uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/sbin/idbridge" "$(DESTDIR)$(PREFIX)/share/man/man8/idbridge.8" \
	  "$(DESTDIR)$(PREFIX)/share/man/man5/idbridge.ini.5" "$(DESTDIR)$(PREFIX)/lib/systemd/system/idbridge.service" \
	  "$(DESTDIR)$(PREFIX)/lib/sysusers.d/idbridge.conf" "$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/idbridge.conf" \
	  "$(DESTDIR)$(PREFIX)/share/doc/idbridge/copyright"
	@echo "kept: $(SYSCONFDIR)/idbridge and the state folder"

help:
	@echo "make            build/idbridge"
	@echo "make demo       the bridge with a directory and stand-ins of eSignet and DHIS2 (ONCE=1: print and end; make turns its 1 into 2)"
	@echo "make demo-clean forget the demo's state and ports"
	@echo "make check      all tests, under ASan and UBSan"
	@echo "make bench      CPU per operation beside the bare signature; writes build/bench.json"
	@echo "make failover   1,000 logins at 50/s while directory servers are killed and stopped"
	@echo "make mutants    every guard compiled out, one at a time: its tests must go red"
	@echo "make fuzz       every parser that meets the network: a minute each (FUZZ_SECONDS=60) under ASan and UBSan"
	@echo "make analyze    gcc -fanalyzer, clang-tidy and cppcheck over broker/"
	@echo "make torture    unit tests again and again, each time with another allocation failing"
	@echo "make tsan       unit tests, and flows against the whole bridge, under ThreadSanitizer"
	@echo "make layers     fails on an include that goes up"
	@echo "make install    DESTDIR=, PREFIX=; make uninstall"
always:
.PHONY: always toolchain all asan unit-programs demo demo-clean check failover mutants layers packages bench format clean install uninstall help
