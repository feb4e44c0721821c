# The slow ways of looking for faults, included by the Makefile: fuzzing (`make fuzz`), static analysis (`make analyze`),
# failing memory (`make torture`) and threads (`make tsan`). Each has its own build folder; none is needed to build.
#
# A fuzz target is one file of test/fuzz. With clang it becomes a libFuzzer program, build/fuzz/NAME; with gcc alone a
# program that replays files, build/asan/fuzz/NAME.

CLANG        := $(shell command -v clang 2>/dev/null || command -v clang-14 2>/dev/null)
FUZZ_SECONDS ?= 60

# A target that needs a private function of some file compiles that file in; then the archive's copy of it stays out.
FUZZ_OBJECTS := $(SOURCES:%.c=%.o)
FUZZ_TARGETS := $(patsubst test/fuzz/%.c,%,$(filter-out %_main.c,$(sort $(wildcard test/fuzz/*.c))))
# clang does not define what gcc does under -fsanitize=address; base/arena.c asks for it. And it does not know gcc's analyser.
FUZZ_FLAGS   := -g -O1 -std=c17 -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link \
                -fno-sanitize-recover=all -D__SANITIZE_ADDRESS__ -Wno-unknown-warning-option

build/fuzz/%.o: %.c
	@mkdir -p $(@D)
	@$(CLANG) $(FUZZ_FLAGS) $(CPPFLAGS) $(PKGCFLAGS) -Wall -Wextra -Werror -MMD -MP -c -o $@ $<
build/fuzz/messages.o: broker/web/messages.S $(MESSAGES)
	@mkdir -p $(@D)
	@$(CLANG) -c -o $@ $<
build/fuzz/libfuzzed.a: $(FUZZ_OBJECTS:%=build/fuzz/%) build/fuzz/messages.o
	@rm -f $@ && ar rcs $@ $^
$(FUZZ_TARGETS:%=build/fuzz/%): build/fuzz/%: build/fuzz/test/fuzz/%.o build/fuzz/libfuzzed.a
	@echo "  LD $@"
	@$(CLANG) -fsanitize=address,undefined,fuzzer -o $@ $^ $(LIBS)

$(FUZZ_TARGETS:%=build/asan/fuzz/%): build/asan/fuzz/%: build/asan/test/fuzz/%.o build/asan/test/fuzz/replay_main.o \
                                     build/asan/libidbridge.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(ASAN) -o $@ $^ $(LIBS)
-include $(FUZZ_OBJECTS:%.o=build/fuzz/%.d) $(FUZZ_TARGETS:%=build/fuzz/test/fuzz/%.d) \
         $(FUZZ_TARGETS:%=build/asan/test/fuzz/%.d)

# What test/fuzz/run.py runs: libFuzzer's programs where there is clang, else the replaying ones.
fuzz-programs: $(FUZZ_TARGETS:%=build/$(if $(CLANG),fuzz,asan/fuzz)/%)
fuzz-replays: $(FUZZ_TARGETS:%=build/asan/fuzz/%)
fuzz:
	@sh test/support/packages.sh check
	@$(PYTHON) test/fuzz/run.py --seconds-each $(FUZZ_SECONDS)
.PHONY: fuzz fuzz-programs fuzz-replays

# ---- static analysis: test/analyze.py says what is looked for --------------------------------------------
analyze:
	@sh test/support/packages.sh analyze
	@$(PYTHON) test/analyze.py -- $(CSTD) $(CPPFLAGS) $(PKGCFLAGS) -DIDBRIDGE_VERSION='""' -DIDBRIDGE_COMMIT='""'

# ---- failing memory: the unit tests that run by themselves, one allocation failing per run. Not: what waits for servers of a
# flow test (live, trouble), what is long by its nature (growth, processes). TORTURE_MOST: of each program's, drawn evenly ----
TORTURE_FOLDERS := base store web token upstream directory mapping dhis2 admin
TORTURE_LEFT    := %/test_live.c %/test_trouble.c %/test_growth.c %/test_processes.c
TORTURE_MOST    ?= 300
# muldefs: a test may have a file of ours compiled in
TORTURE_WRAPS   := malloc calloc realloc reallocarray strdup strndup
TORTURED        := $(foreach f,$(TORTURE_FOLDERS),$(patsubst %.c,build/torture/%,$(filter-out $(TORTURE_LEFT),$(sort $(wildcard test/unit/$(f)/test_*.c)))))
build/torture/idbridge.o: build/asan/libidbridge.a
	@mkdir -p $(@D)
	@ld -r $(TORTURE_WRAPS:%=--wrap=%) -o $@ --whole-archive $<
build/torture/test/unit/%: build/asan/test/unit/%.o build/asan/test/support/failalloc.o build/torture/idbridge.o
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(ASAN) -Wl,-z,muldefs -o $@ $^ $(LIBS) -lcmocka
torture-programs: $(TORTURED)
torture:
	@sh test/support/packages.sh check
	@$(MAKE) --no-print-directory -s -j$(JOBS) torture-programs
	@$(PYTHON) test/torture.py --most $(TORTURE_MOST) $(TORTURED)

# ---- threads: units where data meets several of them, then the whole bridge in flows where everything happens at once.
# setarch -R: gcc 12's TSan cannot map its shadow under full ASLR ----
TSAN_FOLDERS := base store token web directory
TSAN_FLOWS   := everything_at_once login linking operator_running hang overload provider_authorize provider_session \
                provider_token route upstream upstream_trouble
TSANNED      := $(foreach f,$(TSAN_FOLDERS),$(patsubst %.c,build/tsan/%,$(filter-out %/test_live.c %/test_trouble.c,$(sort $(wildcard test/unit/$(f)/test_*.c)))))
tsan-programs: $(TSANNED) build/tsan/idbridge
tsan:
	@sh test/support/packages.sh check
	@$(MAKE) --no-print-directory -s -j$(JOBS) tsan-programs
	@$(PYTHON) test/tsan.py --bridge build/tsan/idbridge $(TSAN_FLOWS:%=--flow test/flow/test_%.py) \
	  --flow test/flow/attacks/test_floods.py $(TSANNED)
.PHONY: analyze torture torture-programs tsan tsan-programs
