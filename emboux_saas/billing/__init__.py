from .engine import Line, Period, Row, Terms, month_lines
