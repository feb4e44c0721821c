/* Keys for the fuzz targets of tokens, and tokens genuinely made with them. They guard nothing: the private halves of
 * public_jwks were thrown away after the tokens had been signed, the rest is in the open here. */
#ifndef IDBRIDGE_FUZZ_KEYS_H
#define IDBRIDGE_FUZZ_KEYS_H

#define UNUSED __attribute__((unused)) /* each target needs only some */

UNUSED static const char public_jwks[] =
    "{\"keys\":[{\"e\":\"AQAB\",\"kid\":\"r1\",\"kty\":\"RSA\",\"n\":\"r8BLyt8_bQLAiRccGAtEGY4Tzdro-Xl_wHSeCwFe6d6e19Dpcd-SUjnIc"
    "-2nw6rYWVIb6ztmdkXkGaajrwT9yYX2aQYfAIVcrsgWcR82-6pPZJcdGqSypNB_WS5Fpzgoha7CXhTzCFiNHCwYxEGDy3-coyixgfFaIg5"
    "CPIOxSs0HKqf0YBC2VhvtGoBLeG7jAVTkobwDel93pODAwGWrIoKpBeGkzHp4qB_3jBurIbUqBHxWeKcDIgoO6657Tv-U9GXywuIlkrIc6"
    "MWeQ0lzl6gDq1VUVoCpfpfjEvMspOHThnlZVA8RLtY1VOlyTIcmEYXUClnl7mK2-P3mEZiBFw\",\"use\":\"sig\"},{\"alg\":\"ES256\",\"cr"
    "v\":\"P-256\",\"kid\":\"e1\",\"kty\":\"EC\",\"x\":\"jjb_fywQTV05BVFTr5zlJx5qUMY7jceXG7t0XgJJnXM\",\"y\":\"tFr3HlxLP3EiaIk4Yy"
    "yhUL9hm7gbxyjDXBF_OLSGFLs\"}]}";
/* The secret of one client: HS256. */
UNUSED static const char shared_secret[] =
    "a shared secret of forty-eight bytes, no more!!!";
UNUSED static const char shared_jwks[] =
    "{\"keys\":[{\"alg\":\"HS256\",\"k\":\"YSBzaGFyZWQgc2VjcmV0IG9mIGZvcnR5LWVpZ2h0IGJ5dGVzLCBubyBtb3JlISEh\",\"kid\":\"h1\","
    "\"kty\":\"oct\"}]}";
/* RS256, PS256, ES256 twice (the second holds no JSON), and the last one with the shared secret. */
UNUSED static const char *const genuine_jws[] = {
    ("eyJhbGciOiJSUzI1NiIsImtpZCI6InIxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiM"
     "jQ4Mjg5NzYxMDAxIiwiYXVkIjoiY2xpZW50Iiwibm9uY2UiOiJuLTBTNl9XekEyTWoiLCJpYXQiOjE3OTk5OTk5OTAsImV4cCI6MTgwMD"
     "AwMDMwMH0.kjcI00zGFqDS7Zbuvztd1QlZofB4HrHokuBT94F11WaOuTKos44nqJwJTHXbRatbvoUdMyLWpp2J2mbBGBLL8sQJGWj0ZoS"
     "q880-9bkDjl7g7QFoRHKxqp3qa8JKnxsc2Nap6nBFnnvILzCXXVpn7wY8hyv2kwhfNFIQqBUNsazYKNt3EjC-ilVbw-7-htfyd8CHcKMo"
     "H1XK_9TYiyfQ_R2N__OUUB2tzz0fgLDQWTo_FHobe-ZNC0HpvdaTnlESyNqHSMQgJd0qg3_ZkXQR3oJwPGodUOlb1BNLX3fo8kN_R3UHe"
     "c1sx-YR8tXRJ44No7_lfUR5oh3hsACBRXTo0w"),
    ("eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiMjQ4Mjg5NzYxMDAxIiwiYXVkIjoiY2xp"
     "ZW50Iiwibm9uY2UiOiJuLTBTNl9XekEyTWoiLCJpYXQiOjE3OTk5OTk5OTAsImV4cCI6MTgwMDAwMDMwMH0.jmoFAfDYK1k7LbAtlzENB"
     "Yt9QjEPsYPAsVmwRlb5BgTMbXt5hOQm9rBjn1AjIefoMqIQjViNRI2e-xTvOoGVzDse3OMr8S-w2pQPdSXxqyCzj6A0NPklQhNdjWLHge"
     "7toHoBMrb77aZS0IJKbuw9RSL4_t2hXH0Upfvb8J0xXqYh42czF6rQ3TsjTC4SqJMcdpzyaiYggLTTEUtHwfS3kM1j6ymEebLfbU2go_Y"
     "KWxICmb88JgR5Ir7cw1APU_6XOfhANA6J8NRCcewOuL6mAjBSvISFpFeLodjWqUoVgU9R-Qc3Wa6Afw_4AOHWuJoIooHERltkKobkofZl"
     "b-11uQ"),
    ("eyJhbGciOiJFUzI1NiIsImtpZCI6ImUxIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiMjQ4Mjg5NzYxMDAxI"
     "iwiYXVkIjoiY2xpZW50Iiwibm9uY2UiOiJuLTBTNl9XekEyTWoiLCJpYXQiOjE3OTk5OTk5OTAsImV4cCI6MTgwMDAwMDMwMH0.caFdGC"
     "md2eQj5TBNZfYOiUsYiOEKYZvDkmaNpgwRhowA188d8YkyoXrD79vJkgOGicLYSSNMeeWBqF92T1mYJw"),
    ("eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.bm90IGpzb24.yyjpcaejN3mLdDC53G5lBgrInKAIqlf3ix3TNQqSK43RHN1JONlt"
     "qjmLHRT8IopX9azIgP0auIXUNK3usbA8nw"),
    ("eyJhbGciOiJIUzI1NiIsImtpZCI6ImgxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiM"
     "jQ4Mjg5NzYxMDAxIiwiYXVkIjoiY2xpZW50Iiwibm9uY2UiOiJuLTBTNl9XekEyTWoiLCJpYXQiOjE3OTk5OTk5OTAsImV4cCI6MTgwMD"
     "AwMDMwMH0.pVkM3NjZTAZv3gKVM1EIaVbQ2wE-r_hL91Q_fo-99Qw"),
};

/* Ours, to decrypt with: RSA-OAEP-256, ECDH-ES, A128KW, dir. */
UNUSED static const char *const private_jwks[] = {
    ("{\"alg\":\"RSA-OAEP-256\",\"d\":\"QRz-ma3v3V7WnuN0lgnAS0j2kdl2XdcmeG0STBwNVAy5DtGOXQQAoLS8ENSkQW0got0EFihWJGkDXd"
     "PLJhfsmbXhHCWeCTEDL-zaiJ7MgHD2X5LWRhugAyLbnNLP15AKHWumnxWs-I3fkXvLBLKRRQeXL7jNdZ0YC6Kc4pNlulvGdHtFypxAskX"
     "pmO79Y5yKKbxg_i3rv4SEAPP_EXnd9xuVyi42CsVOFrONUNsRumSjfkIhscnEAiVr2rX_dZAFsxZxZFkYPVXJi7qNVOUHzuVRB1Myur3k"
     "MXA4k16K_HVPhzo-L3kGXnmjT2-if3aZme7WMS7y8VDnH5gFHWV4NQ\",\"dp\":\"tD3BymWWQzBpbkjDxNlMFz3bbCPN1nrulxitQyFg5oW"
     "EgSfJlzjKHPhC_5Yi0m4CuThpYA6JPS0KxZjpDrxEFkTAil4W1AyxKZUgcZt2BOUUMvIm2DR5iIynpzmecOnJzgc-8a5CDQzbglEz0Kax"
     "QRVdQJdQKcp1_4ofWWyDGXU\",\"dq\":\"HrPmcFqURqfaHCKq5MQ1leBgXZcVjthNhRA0eI1UwEPTl6Tz4PWm3ZbJEGqEgdSCMgI8mJo1ly"
     "7C0cuYg3OgdnN6OpCfAHBgnCw-sRgAtd7FbNd_csEqfk7jg8-KtRrgHz3TXp-53-1mLrU7P6GO8J7MpsUlpfsYS9zsAjZUgas\",\"e\":\"A"
     "QAB\",\"kid\":\"d1\",\"kty\":\"RSA\",\"n\":\"sW2kK5qOr835DqLphmfumOz_szFhSjHL0YB98_RkWmk9JSo3WuoqTpa_zRYehyFZNSnPLXcZ"
     "dTbC4VNXt2XRVSWXxhU0c6tc0MBiqiuA5ugBn6REma19Fhh9QXne7BriKLNJ7kUqZc8Ec_iDDgOIkco_9qIUL3_n6N3po4x-eFJQykc4a"
     "cSvcEOVKE65xLJsvAXs4jgc1wZKUvYHJUUCrzrqZKTcK8kKyKQfsZTSS-TsC2d7DnzaoCU2Qp70OO7pw9weWLIUrICo77nERpzoAS-ygm"
     "ZjZWtTx7YqpoP9hUGzaPC0Anq-QGDalD3h41VDV0jOfm_yK1_fYNb7g-M7TQ\",\"p\":\"4Vn1yKdNpZCS5h3hJGPAb1JOK55VUlrOIGfK6_"
     "W-f2u99tviBy5anPo_KCQI6S1WVRdn-pGaTEbfrBgtl_YrAm-tZosx1c0s1bUhlbBGVCdPcLhh9hygrsDzba_f23hcPqKdynquIlFx_nr"
     "PJD2LoJU9yjPerZ9vpONYmZrtUvs\",\"q\":\"yY8la6b7SaBENi3gi-NxKtl2wS9KY-dkOXxil-hWt13ThTuBrWpkCrXHTqNflSS_d-UW-P"
     "f6fyZjdcqrU3k3Dw0fDjPkOsJao3lkr3il6Sn14vGfEt0hjdGhwIiXUFSnw22xfafz4yhxWPFOG1tU2_bNCP7odmPP3as4D3I1mFc\",\"q"
     "i\":\"BfH5SJ2sqAmvWVaqptiJ8iMqh2wVvg2UQxuyQlj2jYiQrCrW6iYE4-UlNyMCio2REERemb77zaO4IUn9NfnJlSbqzEUJSgk8KlZQY"
     "kww_c5aGBmVEG9J3g4AaTiAN8Vh0Adva6MQmz-yJYWCiNcTOvYftz3BveByN4mFamgozRY\",\"use\":\"enc\"}"),
    ("{\"alg\":\"ECDH-ES\",\"crv\":\"P-256\",\"d\":\"pxP03-b2XRINoZbjh-fQsGwv4LZNIh4BaIY_N36G1pU\",\"kid\":\"d2\",\"kty\":\"EC\",\"u"
     "se\":\"enc\",\"x\":\"bO2xedP-3KDIEVmi4DosCwZ8YY4IiS16TxMbj76FNOM\",\"y\":\"yHiyKxZsXI7j5p86_uYx5Oej2vduUCDnIrhQTSTi"
     "GsA\"}"),
    ("{\"alg\":\"A128KW\",\"k\":\"c29tZTE2Ynl0ZWtleSEhIQ\",\"kid\":\"d3\",\"kty\":\"oct\",\"use\":\"enc\"}"),
    ("{\"alg\":\"dir\",\"k\":\"dGhpcnR5LXR3byBieXRlcyBvZiBhIHRlc3Qga2V5ISE\",\"kid\":\"d4\",\"kty\":\"oct\",\"use\":\"enc\"}"),
};
UNUSED static const char jwe_plaintext[] =
    "a signed token would stand here";
UNUSED static const char *const genuine_jwe[] = {
    ("eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIiwiY3R5IjoiSldUIiwia2lkIjoiZDEifQ.HskdQahg3Amchhq6m-TR8d"
     "-PQBV3Wn0ZXmiU26s22YXqf-aR1QXk1aaUlETD9ICtoQkm1ajpyWJi2ja8u7ynRz1PMq4_KA5BkgZQwE8Cx1tco-Z0d-eUqyhDfCKfmGl"
     "sfwIKI5EqV706mLVwWybjNGfLPAfchLXywc1Yuqya2ItS85EVpCMj2kiqXAo0g3xQWG-mVymiE-rop8palo7tI8myN3t4mgt1SenPi42u"
     "PGE7atMFhpz_0ym5a_Z0Y6KFUP68DxYyjHV3_iZwMTrcbLq98pQxAG_im_l3C2XeMsEVMnGXLKpWHqBQtljheDdXBtzWh4hR-DAIC5j2I"
     "bSGGA.gwoeU5F6qjDEJXxR.1ZtGx1LpuuI0z_qP5gywA3ml-x29jhXglwQHSbfkIA.v3F5bz8UR4m0NykJz6TvbA"),
    ("eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.W_OPbdrQNUhwHX_RjdKWbIZxTgua-MeMdrQsmKDZ5qaIV"
     "-S8Z5pF61j0KF4BaMELm0MqlCtGFHoown2QOels3hvLJgi-woNSk9WzeulxndqI_x8FIjG28P-fTfetSxfeVotGDNB2p3J4tMApmfHO1f"
     "6iizY9k7NdPUrMi4RYrUOQNJC-gBEq9kHb3e1X7ImL9Kd0kHGEHnrJ9VVfAdhwYPSK5nMkpReTHSdkxUGvbgOLfIR6HLoFcF5bwnxYjs0"
     "RnV8OuUlNiw7hKNN7NY5ZB5VYBaRaz6hUlsd3SPr66fbu2aG9tO5MFfaArtTdi-cfIiVZ1P-mJl0vIeMJsKThmg.SbAf1RSFPMyVV8_f1"
     "R2sYQ.tdjurY_EtVOnQ9hofIGrnY7zvo-VeaRNL9r4v6mbSKw.avfkt2_2VqTSl9RID_H9rA"),
    ("eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTEyOEdDTSIsImVwayI6eyJjcnYiOiJQLTI1NiIsImt0eSI6IkVDIiwieCI6IkxITjk4MEZxc"
     "ThnYTNKUW1WMHRrZU9oQTdmMlFYZXF3T3JSZkVWcUo0SVEiLCJ5IjoiN2ZCS3ZZVThTeElhN3gyd056dnpEa1U3aVNsc29TZjlaSFlTVm"
     "x1QzgwbyJ9fQ..UXc6RXCOhe3dli6f.pv-39_AC9xYtyF5xjfoO6XAyyfp8ArAvwOkBCNKvow.i3UGTBhDCnV94RBWp3Oadg"),
    ("eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIn0.2yvIag6srA2sGL8tRcbwGLTiawL6D7nG_Ax_S0586sWpzqwsnrB5o"
     "aDnNxROR8_e8ywEWJ7eO40b8smdpZwBohn4ou6QlFDx.JpYfRjRGCCPIIRBMD7Gz3A.B-5TIYyn1Nl0OZ8yW8rIxf-8u9CImHotN5pWoH"
     "0AR3E.wuM_u5JBocIko-lYoSadPhOO1u1fYJzAJf4VIXqdPWQ"),
    ("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..s-34m_8VcwxLl-9M.5kSa8aM0YVXyTUnt6t-YEHhk2j-IFf1x2pvcF0SFKw.zhND"
     "zcsZgi1RmoNQAc6qAg"),
};

#endif
