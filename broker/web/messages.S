/* The message catalogue as bytes of the program: one file per language, each followed by a zero byte, and a table of
 * {language, start, end} that messages.c reads (struct catalogue_file in private.h). English first: it is complete and
 * what the others fall back to. Assembled from the project's root. */

#if __SIZEOF_POINTER__ == 8
#define POINTER .8byte
#else
#define POINTER .4byte
#endif

    .section .data.rel.ro, "aw"
    .balign 8
    .globl catalogue_files
    .hidden catalogue_files
    .type catalogue_files, %object
catalogue_files:

.macro CATALOGUE language
    .section .rodata
name_\language:
    .asciz "\language"
start_\language:
    .incbin "broker/web/messages/\language\().json"
end_\language:
    .byte 0
    .section .data.rel.ro, "aw"
    POINTER name_\language, start_\language, end_\language
.endm

    CATALOGUE en
    CATALOGUE fr
    CATALOGUE ar
    CATALOGUE pt
    CATALOGUE es
    CATALOGUE si
    CATALOGUE ta
    CATALOGUE hi

    POINTER 0, 0, 0
    .size catalogue_files, . - catalogue_files

    .section .note.GNU-stack, "", %progbits

#if defined(__x86_64__)
/* No code in here, so it keeps whatever -fcf-protection promises (IBT | SHSTK); without this note the linker would drop
 * the promise for the whole program. */
    .section .note.gnu.property, "a"
    .balign 8
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000002, 4, 3, 0
#endif
