"""Answers that a model may write and that must cost no more than their limit."""

GROWING = (
    "9^{9^{9^{9}}}",
    "10^{10^{10}}",
    "9^{9^{9^{9^{9}}}} - 9^{9^{9^{9^{9}}}}",
    r"\dfrac{5^{(5^{(5^{(5^5)})}-4)}-5}{16}",
    "7^{7^{7^{7}}} \\mod 10",
    "2^{2^{2^{2^{2^{2}}}}}",
    "0.5^{-9^{9^{9}}}",
    "123456789!",
    "(10^{9})!",
    "99999999! / 99999998!",
    r"\binom{10^9}{5 \cdot 10^8}",
    r"\sum_{n=1}^{10^9} \frac{1}{n^n}",
    r"\prod_{n=1}^{10^8} n",
    r"(x+y+z)^{2000} - (x+y+z+1)^{2000}",
    r"\int_0^1 \frac{\sin(x^x)^{x}}{x^{x^{x}}} dx",
    r"\sin(10^{10^{10}})",
    r"\log(9^{9^{9^{9}}})",
)
NESTED = (
    "(" * 200 + "1" + ")" * 200,
    "(" * 1500 + "1" + ")" * 1500,
    "{" * 3000 + "1" + "}" * 3000,
    "(" * 3000,
    r"\sqrt{" * 200 + "2" + "}" * 200,
    r"\frac{1}{1+" * 150 + "1" + "}" * 150,
    "-" * 3000 + "1",
    "|" * 2000 + "x",
    "2^{" * 400 + "2" + "}" * 400,
    r"\left(" * 300 + "1" + r"\right)" * 300,
    r"\{" * 500 + "1" + r"\}" * 500,
    r"\text{" * 400 + "a" + "}" * 400,
)
LONG = (
    "9" * 200_000,
    "0." + "3" * 200_000,
    "9" * 4000,
    "1," * 2000 + "1",
    "1+" * 2000 + "1",
    "x" * 4000,
    "a" * 3000 + "!",
    " " * 4000 + "1",
    *(
        f"{unit * (4000 // len(unit))}1"
        for unit in ("^ ", "{ ", r"\! ", r"\ ", "~", ".", "1,000", "1.", r"\circ ", "a.m. ")
    ),
    r"\frac" * 800,
    "1/" * 1500 + "1",
    "," * 4000,
    "(1," * 1000,
)
INJECTED = (
    "__import__('os').system('touch {canary}')",
    "__import__('subprocess').run(['touch', '{canary}'])",
    "open('{canary}', 'w').write('x')",
    "eval(compile('open(\"{canary}\",\"w\")', 'x', 'exec'))",
    "().__class__.__bases__[0].__subclasses__()",
    r"\text{{__import__('os').system('touch {canary}')}}",
    "x.__class__.__init__.__globals__['os'].system('touch {canary}')",
    'S(\'__import__("os").system("touch {canary}")\')',
    "Symbol('x', **__import__('os').environ)",
    "lambda: __import__('os').system('touch {canary}')",
    "'+__import__('os').system('touch {canary}')+'",
    r"\input{{/etc/passwd}}",
    r"\write18{{touch {canary}}}",
    "__import__('socket').create_connection(('127.0.0.1', 9))",
    "$(touch {canary})",
    "`touch {canary}`; touch {canary}",
)
_TOKENS = (
    r"1 2 3.5 x y n \frac {1}{2} \sqrt {2} ( ) [ ] \{ \} { } + - * / ^ _ , ; : = < > \le \in \cup \pm \text{or} "
    r"\text{cm} \text{is} \infty \pi e i \sin \log ! | % \$ ^\circ \pmod \begin{pmatrix} \end{pmatrix} \\ & \approx "
    r"\mid \ldots A \text{a} \binom \lfloor \rfloor \boxed \left( \right) ' . ° √ ½ million \vee \setminus "
    r"\mathbb{R} \angle \overline \sum \gcd 10^{ 0^0 \over"
)
TOKENS = _TOKENS.split()
